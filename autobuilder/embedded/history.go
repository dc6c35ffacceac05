package embedded

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/google/renameio/v2"
)

// The results of a build, in Jenkins' words.
const (
	success = "SUCCESS"
	failure = "FAILURE"
	aborted = "ABORTED"
)

// record is a build as it stands in build.json.
type record struct {
	Number   int64     `json:"number"`
	QueueID  int64     `json:"queueId"`
	Cause    string    `json:"cause"`
	Params   []value   `json:"params,omitempty"`
	Building bool      `json:"building"`
	Result   string    `json:"result,omitempty"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`

	dir string
}

func (r *record) name() string { return "#" + strconv.FormatInt(r.Number, 10) }

func (r *record) logFile() string { return filepath.Join(r.dir, "log") }

func (r *record) save() error {
	return writeJSON(filepath.Join(r.dir, "build.json"), r)
}

// end notes the result. It is on disk before anybody is told.
func (r *record) end(result string, at time.Time) error {
	r.Building, r.Result, r.Ended = false, result, at
	return r.save()
}

// loadHistory reads the builds of a job, oldest first. A directory without a
// readable build.json is a build that had not begun; its number stays used.
func loadHistory(dir string) ([]*record, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*record
	for _, entry := range entries {
		r := &record{dir: filepath.Join(dir, entry.Name())}
		if readJSON(filepath.Join(r.dir, "build.json"), r) == nil && entry.Name() == strconv.FormatInt(r.Number, 10) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *record) int { return cmp.Compare(a.Number, b.Number) })
	return list, nil
}

// bury ends a build that the last server was running when it died.
func (s *Server) bury(j *job, r *record) error {
	s.killLeftovers(buildTag(j.name, r.Number), r.Number)
	at := r.Started
	if info, err := os.Stat(r.logFile()); err == nil {
		at = info.ModTime()
	}
	log, err := openLog(r)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "\nThe server was killed while this build ran; its processes were ended.\nFinished: %s\n", failure)
	return r.end(failure, at)
}

// rotate removes the builds that the job does not want kept. The last one that
// succeeded stays, and what runs.
func (j *job) rotate(now time.Time) error {
	last := j.latest(func(r *record) bool { return r.Result == success })
	var kept []*record
	var errs []error
	for i, r := range j.builds {
		if r.Building || r == last || !j.spec.expired(r, len(j.builds)-i, now) {
			kept = append(kept, r)
			continue
		}
		errs = append(errs, os.RemoveAll(r.dir))
	}
	j.builds = kept
	return errors.Join(errs...)
}

// expired says whether the n-th newest build is past what the job keeps.
func (s spec) expired(r *record, n int, now time.Time) bool {
	tooMany := s.keepBuilds > 0 && n > s.keepBuilds
	tooOld := s.keepDays > 0 && now.Sub(r.Ended) > time.Duration(s.keepDays)*24*time.Hour
	return tooMany || tooOld
}

func openLog(r *record) (*os.File, error) {
	return os.OpenFile(r.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, data, 0o600)
}

func readJSON(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
