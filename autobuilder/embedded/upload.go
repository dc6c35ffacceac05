package embedded

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// submission is what somebody sends to start a build.
type submission struct {
	form  url.Values
	files map[string]*multipart.FileHeader // by parameter
}

func readSubmission(r *http.Request) (submission, error) {
	sent := submission{files: map[string]*multipart.FileHeader{}}
	err := r.ParseForm()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err = r.ParseMultipartForm(bodyLimit)
	}
	if err != nil {
		return sent, err
	}
	sent.form = r.Form
	if r.MultipartForm != nil {
		for name, files := range r.MultipartForm.File {
			sent.files[name] = files[0]
		}
	}
	return sent, nil
}

// uploads is where files are while their build waits.
const uploads = "uploads"

// keep puts the files on disk, before the trigger is answered.
func (s *Server) keep(params []value, sent submission) error {
	for i := range params {
		file := sent.files[params[i].Name]
		if file == nil {
			continue
		}
		params[i].File = filepath.Join(uploads, rand.Text())
		if err := save(file, filepath.Join(s.options.Dir, params[i].File)); err != nil {
			return errors.Join(fmt.Errorf("keep file parameter %s: %w", params[i].Name, err), discard(s.options.Dir, params))
		}
	}
	return nil
}

func save(file *multipart.FileHeader, path string) error {
	in, err := file.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// discard removes the files of a build that is not to be.
func discard(dir string, params []value) error {
	var err error
	for _, v := range params {
		if v.File == "" {
			continue
		}
		if removed := os.Remove(filepath.Join(dir, v.File)); !errors.Is(removed, os.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}
	return err
}

// discardStrays removes what a server that died had not yet put into the queue.
func (s *Server) discardStrays() error {
	wanted := map[string]bool{}
	for _, it := range s.queue.Items {
		for _, v := range it.Params {
			wanted[filepath.Base(v.File)] = true
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.options.Dir, uploads))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if !wanted[entry.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(s.options.Dir, uploads, entry.Name())))
		}
	}
	return err
}

// adopt takes a build's files into its directory, where they stay with it.
func (s *Server) adopt(r *record) error {
	for _, v := range r.Params {
		if v.File == "" {
			continue
		}
		to := r.file(v)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(s.options.Dir, v.File), to); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) file(v value) string { return filepath.Join(r.dir, "fileParameters", v.Name) }

// bring copies the files into the workspace, and nowhere else, whatever links
// earlier builds left in it.
func (r *run) bring() error {
	root, err := os.OpenRoot(r.workspace)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, v := range r.record.Params {
		if v.File == "" {
			continue
		}
		if err := copyInto(root, v.Name, r.record.file(v)); err != nil {
			return fmt.Errorf("copy file parameter %s into the workspace: %w", v.Name, err)
		}
	}
	return nil
}

func copyInto(root *os.Root, name, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
