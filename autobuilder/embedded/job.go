package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/renameio/v2"
)

// job is a job with its builds.
type job struct {
	name    string
	dir     string
	config  []byte // config.xml as it was given
	spec    spec
	broken  error // why the config on disk cannot be run
	next    int64
	builds  []*record // oldest first
	deleted bool
}

// trash marks directories of deleted jobs, until no build writes there.
const trash = ".deleted-"

func (s *Server) loadJobs() error {
	dir := filepath.Join(s.options.Dir, "jobs")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), trash):
			err = os.RemoveAll(path)
		case entry.IsDir():
			err = s.loadJob(entry.Name(), path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) loadJob(name, dir string) error {
	config, err := os.ReadFile(filepath.Join(dir, "config.xml"))
	if errors.Is(err, os.ErrNotExist) { // died between making the directory and writing it
		return os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	j := &job{name: name, dir: dir, config: config, next: 1}
	j.spec, j.broken = parseSpec(config)
	if j.builds, err = loadHistory(filepath.Join(dir, "builds")); err != nil {
		return err
	}
	j.next = j.nextNumber()
	s.jobs[name] = j
	return s.buryRunning(j)
}

func (s *Server) buryRunning(j *job) error {
	for _, r := range j.builds {
		if !r.Building {
			continue
		}
		if err := s.bury(j, r); err != nil {
			return err
		}
	}
	return nil
}

// nextNumber is one that no build had, whether it is still there or not.
func (j *job) nextNumber() int64 {
	next := int64(1)
	if text, err := os.ReadFile(j.file("nextBuildNumber")); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			next = n
		}
	}
	if len(j.builds) > 0 {
		next = max(next, j.builds[len(j.builds)-1].Number+1)
	}
	return next
}

func (j *job) file(name string) string { return filepath.Join(j.dir, name) }

func (j *job) latest(match func(*record) bool) *record {
	for _, r := range slices.Backward(j.builds) {
		if match(r) {
			return r
		}
	}
	return nil
}

func (j *job) build(number int64) *record {
	return j.latest(func(r *record) bool { return r.Number == number })
}

// add is the start of a build's life: its number is used for ever, and its
// record says that it builds.
func (j *job) add(it *item, now time.Time) (*record, error) {
	number := j.next
	if err := renameio.WriteFile(j.file("nextBuildNumber"), fmt.Appendln(nil, number+1), 0o644); err != nil {
		return nil, err
	}
	j.next = number + 1
	r := &record{
		Number: number, QueueID: it.ID, Cause: it.Cause, Params: it.Params, Building: true, Started: now,
		dir: filepath.Join(j.dir, "builds", strconv.FormatInt(number, 10)),
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	if err := r.save(); err != nil {
		return nil, err
	}
	j.builds = append(j.builds, r)
	return r, nil
}

// configure gives a job, new or not, a config.xml. A config that the server
// would not run to the letter changes nothing.
func (s *Server) configure(j *job, config []byte) error {
	parsed, err := parseSpec(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(j.dir, 0o755); err != nil {
		return err
	}
	if err := renameio.WriteFile(j.file("config.xml"), config, 0o600); err != nil {
		return err
	}
	j.config, j.spec, j.broken = config, parsed, nil
	return nil
}

func (s *Server) createJob(name string, config []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkName(name); err != nil {
		return err
	}
	if s.jobs[name] != nil {
		return fmt.Errorf("a job already exists with the name %q", name)
	}
	j := &job{name: name, dir: filepath.Join(s.options.Dir, "jobs", name), next: 1}
	if err := s.configure(j, config); err != nil {
		return err
	}
	s.jobs[name] = j
	return nil
}

// deleteJob takes the job away at once; its directory goes when no build of it
// writes there any more.
func (s *Server) deleteJob(j *job) error {
	grave := filepath.Join(s.options.Dir, "jobs", trash+j.name+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err := os.Rename(j.dir, grave); err != nil {
		return err
	}
	for _, r := range j.builds {
		r.dir = filepath.Join(grave, "builds", strconv.FormatInt(r.Number, 10))
	}
	j.dir, j.deleted = grave, true
	delete(s.jobs, j.name)
	s.abortAll(j)
	return errors.Join(s.queue.drop(j.name), s.clearGrave(j))
}

// clearGrave is called by the delete and by each build that ends after it.
func (s *Server) clearGrave(j *job) error {
	for r := range s.running {
		if r.job == j {
			return nil
		}
	}
	return os.RemoveAll(j.dir)
}

// setDisabled changes the one element of the config.xml, as Jenkins does.
func (s *Server) setDisabled(j *job, disabled bool) error {
	root, err := parseXML(j.config)
	if err != nil {
		return err
	}
	el := root.SelectElement("disabled")
	if el == nil {
		el = root.CreateElement("disabled")
	}
	el.SetText(strconv.FormatBool(disabled))
	doc := newDocument(root)
	config, err := doc.WriteToBytes()
	if err != nil {
		return err
	}
	return s.configure(j, config)
}

// checkName takes what is a plain name of a directory and needs no quoting in
// a URL's path.
func checkName(name string) error {
	if name == "" || len(name) > 200 || strings.HasPrefix(name, ".") || strings.TrimSpace(name) != name {
		return fmt.Errorf("%q is no name for a job", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`?*/\%!@#$^&|<>[]:;"`, r) {
			return fmt.Errorf("%q is no name for a job: %q is an unsafe character", name, r)
		}
	}
	return nil
}
