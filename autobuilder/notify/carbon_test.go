package notify_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/notify"
)

const carbonConf = `[cache]
STORAGE_DIR = %[1]s
LOCAL_DATA_DIR = %[1]s/whisper/
CONF_DIR = %[1]s
LOG_DIR = %[1]s
PID_DIR = %[1]s
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]s
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %[3]s
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = %[4]s
ENABLE_UDP_LISTENER = False
MAX_CREATES_PER_MINUTE = inf
`

// carbon starts Graphite's own server, and gives its address and its directory.
func carbon(t *testing.T) (address, dir string) {
	t.Helper()
	program, err := exec.LookPath("carbon-cache")
	if err != nil {
		lack(t, "carbon-cache (package graphite-carbon)")
	}
	dir = t.TempDir()
	ports := freePorts(t, 3)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "carbon.conf"), fmt.Appendf(nil, carbonConf, dir, ports[0], ports[1], ports[2]), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "storage-schemas.conf"), []byte("[all]\npattern = .*\nretentions = 1s:1d\n"), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--nodaemon", "--config="+filepath.Join(dir, "carbon.conf"),
		"--pidfile="+filepath.Join(dir, "pid"), "start")
	out := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return "127.0.0.1:" + ports[0], dir
}

func TestGraphiteHasAPointForEachEvent(t *testing.T) {
	t.Parallel()
	address, dir := carbon(t)
	s := newStage(t, map[string]notify.Sink{"carbon": notify.Carbon{Address: address, Prefix: "deploys"}})
	s.add("b1", newCommit)
	s.run() // carbon may not be up yet: then it is told later
	s.move("b1", build.Superseded, "")
	s.told()
	events, err := s.book.Events(t.Context(), "", 1)
	require.NoError(t, err)
	file := filepath.Join(dir, "whisper", "deploys", "shop", "superseded.wsp")
	at := events[0].At.Unix()
	require.Eventually(t, func() bool {
		out, err := exec.CommandContext(t.Context(), "whisper-fetch", fmt.Sprintf("--from=%d", at-2), fmt.Sprintf("--until=%d", at+1), file).Output()
		return err == nil && strings.Contains(string(out), fmt.Sprintf("%d\t1.0", at))
	}, patient, 10*tick, "%s has the point at %d", file, at)
}

// freePorts are ports that nobody listens on. Another may take them meanwhile:
// who uses them says so.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer listener.Close()
		_, ports[i], err = net.SplitHostPort(listener.Addr().String())
		require.NoError(t, err)
	}
	return ports
}

// lack skips a test for want of something, except where nothing may be skipped.
func lack(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}
