package stories_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"deliver/sshdtest"
)

// TestProcessesThatMeet is delivery's TestInterleavings with real processes
// and real sshd's: deliver is killed with SIGKILL, stopped with SIGSTOP for longer than its
// lease and continued, or loses the connections to a server, at moments drawn by chance.
// SCHEDULES sets how many such schedules there are (8), or which: 250-1000.
func TestProcessesThatMeet(t *testing.T) {
	t.Parallel()
	from, schedules := schedulesAsked(t)
	bin := filepath.Join(sshdtest.Program(t), "deliver")
	var all errgroup.Group
	tally := &counter{seen: map[string]int{}}
	const fleets = 4
	for first := range fleets {
		fleet := sshdtest.Start(t, "h1", "h2", "h3")
		all.Go(func() error {
			before := 0 // builds of earlier schedules on this fleet
			for seed := from + first; seed < schedules; seed += fleets {
				m := &meeting{bin: bin, fleet: fleet, before: before, chance: rand.New(rand.NewPCG(uint64(seed), 2)), tally: tally}
				t.Run(strconv.Itoa(seed), m.run)
				before += m.builds
			}
			return nil
		})
	}
	require.NoError(t, all.Wait())
	t.Logf("%d schedules: %v", schedules-from, tally.seen)
}

func schedulesAsked(t *testing.T) (from, to int) {
	t.Helper()
	asked := os.Getenv("SCHEDULES")
	if asked == "" {
		return 0, 8
	}
	first, last, isRange := strings.Cut(asked, "-")
	from, err := strconv.Atoi(first)
	require.NoError(t, err, "SCHEDULES")
	if !isRange {
		return 0, from
	}
	to, err = strconv.Atoi(last)
	require.NoError(t, err, "SCHEDULES")
	return from, to
}

// counter counts how deliveries fared in all schedules.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what]++
}

// meeting is one schedule.
type meeting struct {
	t      *testing.T
	bin    string
	before int
	fleet  *sshdtest.Fleet
	dir    string // the project's
	chance *rand.Rand
	tally  *counter
	builds int
}

const meetingTTL = time.Second

func (m *meeting) build(n int) string {
	return filepath.Join(m.dir, fmt.Sprintf("v%d.tar", m.before+n))
}

func writeBuild(t *testing.T, path, version string) {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "version", Mode: 0o644, Size: int64(len(version)), ModTime: time.Unix(1_700_000_000, 0)}))
	_, err := w.Write([]byte(version))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
}

func (m *meeting) run(t *testing.T) {
	m.t, m.dir, m.builds = t, t.TempDir(), 2+m.chance.IntN(3)
	for n := 1; n <= m.builds; n++ {
		writeBuild(t, m.build(n), strconv.Itoa(m.before+n))
	}
	var all sync.WaitGroup
	for _, n := range m.chance.Perm(m.builds) {
		cmd := m.command(n+1, m.chance.IntN(4) > 0)
		begin, act := m.moment(600), m.act(cmd)
		all.Go(func() {
			<-time.After(begin)
			m.watch(cmd, act)
		})
	}
	all.Wait()
	m.converge()
}

func (m *meeting) moment(most int) time.Duration {
	return time.Duration(m.chance.IntN(most)) * time.Millisecond
}

// command is a delivery of the nth build.
func (m *meeting) command(n int, waits bool) *exec.Cmd {
	wait := "0s"
	if waits {
		wait = "60s"
	}
	cmd := exec.Command(m.bin, "--build", m.build(n), "--release-id", fmt.Sprintf("v%d", m.before+n), "--wait", wait,
		"--lease-ttl", meetingTTL.String(), "--hosts", m.fleet.Names(), "--app", "web", "--app-user", "root", "--deliver-to", "~/app",
		"--restart-cmd", "cp version ../../running", "--health-cmd", "cmp -s version ../../running",
		"--health-rise", "1", "--health-interval", "20ms", "--health-deadline", "5s", "--order", "rolling", "--ssh-config", m.fleet.Config(), "--plain")
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "HOME="+m.fleet.Home, "JOB_NAME=web", "BUILD_NUMBER="+strconv.Itoa(m.before+n))
	return cmd
}

// act is what happens to a delivery while it runs.
func (m *meeting) act(cmd *exec.Cmd) func() {
	when, long := m.moment(2500), meetingTTL+m.moment(1500)
	server := m.fleet.Servers[m.chance.IntN(len(m.fleet.Servers))]
	signal := func(s syscall.Signal) { _ = cmd.Process.Signal(s) }
	switch m.chance.IntN(4) {
	case 0:
		return m.after(when, "killed", func() { signal(syscall.SIGKILL) })
	case 1:
		return m.after(when, "stopped and continued", func() {
			signal(syscall.SIGSTOP)
			<-time.After(long)
			signal(syscall.SIGCONT)
		})
	case 2:
		return m.after(when, "cut off", server.Cut)
	}
	return m.after(0, "left alone", func() {})
}

func (m *meeting) after(when time.Duration, what string, do func()) func() {
	return func() {
		<-time.After(when)
		m.tally.add(what)
		do()
	}
}

// watch runs a delivery and what happens to it.
func (m *meeting) watch(cmd *exec.Cmd, act func()) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if !assert.NoError(m.t, cmd.Start()) {
		return
	}
	var acting sync.WaitGroup
	acting.Go(act)
	err := cmd.Wait()
	acting.Wait()
	m.tally.add("exit " + exitOf(err))
	assert.NotContains(m.t, out.String(), "panic", out.String())
}

func exitOf(err error) string {
	var exit *exec.ExitError
	if err == nil {
		return "0"
	}
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return strconv.Itoa(exit.ExitCode())
	}
	return "by signal"
}

// converge delivers the newest again; no older one goes after it.
func (m *meeting) converge() {
	out, err := m.command(m.builds, true).CombinedOutput()
	require.NoError(m.t, err, string(out))
	for n := 1; n < m.builds; n++ {
		out, err := m.command(n, true).CombinedOutput()
		assert.Equal(m.t, "6", exitOf(err), string(out))
	}
	want := strconv.Itoa(m.before + m.builds)
	for _, s := range m.fleet.Servers {
		current, err := os.Readlink(s.Path("app", "current"))
		require.NoError(m.t, err)
		assert.Equal(m.t, "releases/v"+want, current, s.Name)
		for _, file := range []string{"current/version", "running"} {
			text, err := os.ReadFile(s.Path("app", file))
			require.NoError(m.t, err)
			assert.Equal(m.t, want, strings.TrimSpace(string(text)), "%s: %s", s.Name, file)
		}
		left, err := filepath.Glob(s.Path("app", ".deliver", "incoming", "*"))
		require.NoError(m.t, err)
		assert.Empty(m.t, left, s.Name)
	}
}
