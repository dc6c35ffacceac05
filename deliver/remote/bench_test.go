package remote_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/inventory"
	"deliver/remote"
)

// against reports how long ours took for each of it took.
func against(b *testing.B, ours func(), peer func()) {
	b.Helper()
	var our, their time.Duration
	for b.Loop() {
		start := time.Now()
		ours()
		middle := time.Now()
		peer()
		our += middle.Sub(start)
		their += time.Since(middle)
	}
	b.ReportMetric(float64(our.Milliseconds())/float64(b.N), "ms/ours")
	b.ReportMetric(float64(their.Milliseconds())/float64(b.N), "ms/ssh")
	b.ReportMetric(float64(our)/float64(their), "ours/ssh")
}

func ssh(b *testing.B, c *client, args ...string) {
	b.Helper()
	out, err := exec.Command("ssh", append([]string{"-F", c.config, "-o", "BatchMode=yes"}, args...)...).CombinedOutput()
	require.NoError(b, err, string(out))
}

// BenchmarkFirstLook connects and looks, as ssh(1) connects and runs `true`.
func BenchmarkFirstLook(b *testing.B) {
	c := benchClient(b)
	root := b.TempDir()
	against(b, func() {
		s, err := remote.Dial(context.Background(), inventory.Host{Name: "h1"}, host.Place{App: "shop", Root: root}, c.opts)
		require.NoError(b, err)
		_, err = s.Look(b.Context(), host.Service{Manager: "none"})
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}, func() { ssh(b, c, "h1", "true") })
}

// BenchmarkLaterLook looks on the connection there is, as ssh(1) does with a
// ControlMaster.
func BenchmarkLaterLook(b *testing.B) {
	c := benchClient(b)
	s, err := remote.Dial(context.Background(), inventory.Host{Name: "h1"}, host.Place{App: "shop", Root: b.TempDir()}, c.opts)
	require.NoError(b, err)
	defer s.Close()
	socket := b.TempDir() + "/master"
	ssh(b, c, "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-S", socket, "-f", "-N", "h1")
	defer ssh(b, c, "-S", socket, "-O", "exit", "h1")
	look := func() {
		_, err = s.Look(b.Context(), host.Service{Manager: "none"})
		require.NoError(b, err)
	}
	look()
	against(b, look, func() { ssh(b, c, "-S", socket, "h1", "true") })
}

// BenchmarkReceive sends 64 MiB that do not compress, as a pipe into ssh(1) does.
func BenchmarkReceive(b *testing.B) {
	c := benchClient(b)
	root := b.TempDir()
	s, err := remote.Dial(context.Background(), inventory.Host{Name: "h1"}, host.Place{App: "shop", Root: root}, c.opts)
	require.NoError(b, err)
	defer s.Close()
	build := hosttest.Make(b, "v1", hosttest.File("noise", noise(64<<20)))
	against(b, func() {
		_, err := s.Receive(b.Context(), build.Record, build.Reader(), nil)
		require.NoError(b, err)
		require.NoError(b, exec.Command("rm", "-rf", root+"/releases").Run())
	}, func() {
		cmd := exec.Command("ssh", "-F", c.config, "h1", "cat >"+root+"/copy")
		cmd.Stdin = build.Reader()
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, string(out))
	})
}

func benchClient(b *testing.B) *client {
	b.Helper()
	c := newClient(b)
	c.serve(b, "h1")
	return c
}
