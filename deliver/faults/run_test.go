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
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/rollout"
)

// run is one run of deliver.
type run struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	told   chan struct{} // closed when all events are told
	code   int           // 128 and the signal where one killed it
}

// deliver delivers a release, and tells how that ended.
func (s *site) deliver(t *testing.T, id string, args ...string) *run {
	t.Helper()
	return s.begin(t, id, nil, args...).wait(t)
}

// begin starts to deliver a release; see gets each event when it is told.
func (s *site) begin(t *testing.T, id string, see func(rollout.Event), args ...string) *run {
	t.Helper()
	args = append([]string{"push", "--events", "--build", id + ".tar", "--release-id", id}, args...)
	r := &run{cmd: s.Command(filepath.Join(s.lab.bin, "deliver"), args...), told: make(chan struct{})}
	r.cmd.Stderr = &r.stderr
	events, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start(r.cmd))
	go func() {
		defer close(r.told)
		tell(events, see)
	}()
	return r
}

func tell(from io.Reader, see func(rollout.Event)) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e rollout.Event
		if see != nil && json.Unmarshal(lines.Bytes(), &e) == nil {
			see(e)
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
