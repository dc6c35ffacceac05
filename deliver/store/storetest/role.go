package storetest

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// StartRole starts a metadata service as a cloud instance has it: one that
// wants a session token, and gives the role's key. It returns its address.
func StartRole(t testing.TB, key, secret, token string) string {
	t.Helper()
	program := find(t, "ec2-metadata-mock")
	config, err := json.Marshal(map[string]any{"metadata": map[string]any{"values": map[string]any{"iam-security-credentials": map[string]string{
		"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2020-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z",
		"AccessKeyId": key, "SecretAccessKey": secret, "Token": token,
	}}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "metadata.json")
	require.NoError(t, os.WriteFile(file, config, 0o600))
	addr := freeAddress(t)
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	run(t, exec.Command(program, "-n", host, "-p", port, "-I", "-c", file), addr)
	return "http://" + addr
}

// run runs a server until the test ends, and waits until it listens.
func run(t testing.TB, cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool { return accepts(addr) }, 20*time.Second, 20*time.Millisecond, "%s does not listen on %s", cmd.Path, addr)
}
