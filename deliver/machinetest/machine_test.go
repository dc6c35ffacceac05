package machinetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/machinetest"
)

// ssh runs a command on a machine, and gives up soon.
func ssh(s *machinetest.Site, name, command string) (string, error) {
	cmd := s.Command("ssh", "-F", filepath.Join(s.Home, ".ssh", "config"), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", name, command)
	var out strings.Builder
	cmd.Stdout = &out
	if err := s.Start(cmd); err != nil {
		return "", err
	}
	err := cmd.Wait()
	return strings.TrimSpace(out.String()), err
}

func TestMachinesAreApart(t *testing.T) {
	t.Parallel()
	s := machinetest.New(t, "")
	h1 := s.Add(t, "h1", machinetest.Options{Service: map[string]string{"app": "exec sleep 1000"}})
	s.Add(t, "h2", machinetest.Options{Via: "h1", Clock: time.Hour})

	hear := func(name, command string) (out string) {
		require.Eventually(t, func() bool { // a busy machine is slow to let one in
			var err error
			out, err = ssh(s, name, command)
			return err == nil
		}, time.Minute, 10*time.Millisecond)
		return out
	}
	out := hear("h1", "hostname; echo $HOME; ls /run; : >~/file")
	assert.Equal(t, "h1\n"+h1.Home()+"\nsshd", out)
	assert.Equal(t, "h2\n3600", hear("h2", "hostname; cat /run/clock-skew; ls ~"))
	assert.FileExists(t, h1.Path("file"))

	var lines []string
	require.Eventually(t, func() bool {
		lines = nil
		for _, p := range h1.Processes() {
			lines = append(lines, p.Line)
		}
		return strings.Contains(strings.Join(lines, "\n"), "sleep 1000")
	}, 20*time.Second, 10*time.Millisecond)
	assert.NotContains(t, strings.Join(lines, "\n"), "go-build")
}

func TestMachinesFail(t *testing.T) {
	t.Parallel()
	s := machinetest.New(t, "")
	h1 := s.Add(t, "h1", machinetest.Options{})
	works := func() bool {
		_, err := ssh(s, "h1", "true")
		return err == nil
	}
	require.Eventually(t, works, 30*time.Second, 10*time.Millisecond)
	for name, fault := range map[string]struct{ strike, mend func() }{
		"cut":    {func() { h1.Cut(t) }, func() { h1.Mend(t) }},
		"frozen": {h1.Freeze, h1.Thaw},
		"off":    {h1.Off, func() { h1.Boot(t) }},
		"down":   {func() { h1.SSHD(t, "stop") }, func() { h1.SSHD(t, "start") }},
	} {
		fault.strike()
		assert.False(t, works(), name)
		fault.mend()
		require.Eventually(t, works, 20*time.Second, 10*time.Millisecond, name)
	}
}

func TestDisksFail(t *testing.T) {
	t.Parallel()
	s := machinetest.New(t, "")
	h1 := s.Add(t, "h1", machinetest.Options{})
	write := func() error { return os.WriteFile(h1.Path("more"), make([]byte, 1<<16), 0o600) }
	require.NoError(t, write())
	for name, strike := range map[string]func(){
		"no space left on":      func() { h1.Fill(t) },
		"no space left":         func() { h1.FillInodes(t) },
		"read-only file system": func() { h1.Remount(t, "ro") },
	} {
		require.NoError(t, os.Remove(h1.Path("more")))
		strike()
		require.ErrorContains(t, write(), name, name)
		h1.Remount(t, "rw")
		h1.Empty(t)
		require.NoError(t, write())
	}
}

func TestNothingOfAMachineStays(t *testing.T) {
	t.Parallel()
	var processes []machinetest.Process
	t.Run("a site", func(t *testing.T) {
		s := machinetest.New(t, "")
		h1 := s.Add(t, "h1", machinetest.Options{})
		require.NoError(t, s.Start(s.Command("sleep", "1000")))
		processes = append(h1.Processes(), s.Processes()...)
		require.NotEmpty(t, processes)
	})
	for _, p := range processes {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID)) // nobody, or who has its number now
		assert.NotContains(t, strings.ReplaceAll(string(line), "\x00", " "), p.Line)
	}
}
