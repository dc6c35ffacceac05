package e2e

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A demo that is cut short while the first build runs, by a Ctrl-C or by a
// kill: nothing of it stays.
func TestADemoThatIsCutShortLeavesNothing(t *testing.T) {
	for name, s := range map[string]shape{
		"in namespaces": {jenkins: "embedded", kind: "namespaces"},
		"on loopback":   {jenkins: "embedded", kind: "loopback"},
	} {
		t.Run("interrupted "+name, func(t *testing.T) {
			l := newLab(t, s)
			l.binaries()
			demo := l.cutShort(syscall.SIGINT)
			assert.Equal(t, 130, demo.ProcessState.ExitCode())
			assert.Empty(t, l.leftovers())
		})
		t.Run("killed "+name, func(t *testing.T) {
			l := newLab(t, s)
			l.binaries()
			l.cutShort(syscall.SIGKILL)
			assert.NotEmpty(t, l.leftovers(), "there was something to take away")
			l.takeAway()
		})
	}
}

// cutShort begins a whole demo, and sends the signal to it and its children, as
// a terminal does, when the first build runs.
func (l *lab) cutShort(signal syscall.Signal) *exec.Cmd {
	l.t.Helper()
	demo := l.command(l.t.Context(), filepath.Join(l.home, "demo"))
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	demo.WaitDelay = time.Minute
	output, input := io.Pipe()
	demo.Stdout, demo.Stderr = input, input
	require.NoError(l.t, demo.Start())
	seen := l.readUntil(output, "===== ")
	require.NoError(l.t, syscall.Kill(-demo.Process.Pid, signal))
	_ = demo.Wait() // it was cut short
	require.NoError(l.t, input.Close())
	<-seen
	return demo
}

// readUntil returns when a line begins with the words; it goes on reading until
// the channel that it returns is closed.
func (l *lab) readUntil(output io.Reader, words string) <-chan struct{} {
	l.t.Helper()
	found, over := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			l.t.Log(lines.Text())
			if strings.HasPrefix(lines.Text(), words) {
				select {
				case found <- true:
				default:
				}
			}
		}
	}()
	select {
	case <-found:
	case <-over:
		require.Fail(l.t, "the demo ended before it said "+words)
	case <-time.After(demoTime):
		require.Fail(l.t, "the demo never said "+words)
	}
	return over
}
