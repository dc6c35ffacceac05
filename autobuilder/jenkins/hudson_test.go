package jenkins_test

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The same contract, kept by a server that is not ours.
func TestContractHudson(t *testing.T) {
	needHudson(t)
	for name, how := range map[string]hudson{
		"open":                     {},
		"with password and crumbs": {user: "ci", password: `se "cret`, crumbs: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contract(t, how.start(t))
		})
	}
}

func needHudson(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"java", "javac", "jar", "mvn", "curl"} {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
			t.Fatalf("%s is missing: the contract with a real Hudson cannot be tested", tool)
		}
		t.Skipf("%s is missing: the contract with a real Hudson is not tested", tool)
	}
}

// hudson says how a real Hudson is started by lab/hudson.
type hudson struct {
	user, password string
	crumbs         bool
}

func (h hudson) start(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	args := []string{"start", "--port", strconv.Itoa(port), "--state", dir}
	if h.user != "" {
		file := filepath.Join(dir, "password")
		require.NoError(t, os.WriteFile(file, []byte(h.password+"\n"), 0o600))
		args = append(args, "--user", h.user, "--password-file", file)
	}
	if h.crumbs {
		args = append(args, "--crumbs")
	}
	// On today's JDK its queue is sometimes not saved: an idle executor is in
	// the way, and that is a thread, which cannot be written to a file.
	s := &server{forgets: true, url: "http://127.0.0.1:" + strconv.Itoa(port) + "/", user: h.user, token: h.password}
	s.up = func(t *testing.T) { lab(t, args...) }
	s.down = func(t *testing.T) { lab(t, "stop", "--state", dir) }
	t.Cleanup(func() { s.down(t) })
	s.up(t)
	return s
}

func lab(t *testing.T, args ...string) {
	t.Helper()
	script, err := filepath.Abs("../../lab/hudson")
	require.NoError(t, err)
	output, err := exec.Command(script, args...).CombinedOutput()
	require.NoError(t, err, string(output))
}

// freePort is below those that the system hands out: a restart must find it free.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 20000 + rand.IntN(12000)
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
}
