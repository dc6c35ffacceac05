package faults_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/rollout"
)

// run is one run of deliver.
type run struct {
	cmd    *exec.Cmd
	stderr paper
	told   chan struct{} // closed when all events are told
	code   int           // 128 and the signal where one killed it
}

// deliver delivers a release, and tells how that ended.
func (s *site) deliver(t *testing.T, id string, args ...string) *run {
	t.Helper()
	return s.begin(t, id, nil, args...).wait(t)
}

// begin starts to deliver a release; see gets each event when it is told.
func (s *site) begin(t *testing.T, id string, see func(*run, rollout.Event), args ...string) *run {
	t.Helper()
	return s.run(t, see, append([]string{"push", "--events", "--build", id + ".tar", "--release-id", id}, args...)...)
}

// rollback goes back to the last good release.
func (s *site) rollback(t *testing.T) *run {
	t.Helper()
	return s.run(t, nil, "rollback").wait(t)
}

func (s *site) run(t *testing.T, see func(*run, rollout.Event), args ...string) *run {
	t.Helper()
	r := &run{cmd: s.Command(filepath.Join(s.lab.bin, "deliver"), args...), told: make(chan struct{})}
	r.cmd.Stderr = &r.stderr
	events, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start(r.cmd))
	go func() {
		defer close(r.told)
		r.tell(events, see)
	}()
	return r
}

func (r *run) tell(from io.Reader, see func(*run, rollout.Event)) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e rollout.Event
		if see != nil && json.Unmarshal(lines.Bytes(), &e) == nil {
			see(r, e)
		}
	}
}

// wait waits for the end of the run.
func (r *run) wait(t *testing.T) *run {
	t.Helper()
	select {
	case <-r.told:
	case <-time.After(3 * time.Minute):
		_ = r.cmd.Process.Signal(syscall.SIGQUIT) // so that it says where it hangs
	}
	<-r.told
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	status := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	r.code = status.ExitStatus()
	if status.Signaled() {
		r.code = 128 + int(status.Signal())
	}
	return r
}

// ending are the last lines: what follows the headline.
func (r *run) ending() string {
	text := r.stderr.String()
	if at := strings.LastIndex(text, "\nDASHBOARD "); at >= 0 {
		return text[at+1:]
	}
	return text
}

// said says whether deliver has said this so far.
func (r *run) said(words string) bool { return strings.Contains(r.stderr.String(), words) }

// paper is written and read at the same time.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write writes on it.
func (p *paper) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(text)
}

// String is what is on it.
func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}
