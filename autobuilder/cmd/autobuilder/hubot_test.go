package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// hubot is the real one, with its shell for a room.
type hubot struct {
	t    *testing.T
	in   io.Writer
	said *logText
}

// hubotProgram is where lab/requirements puts Hubot.
func hubotProgram(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("HUBOT_DIR")
	if dir == "" {
		dir = "../../../.cache/hubot"
	}
	program, err := filepath.Abs(filepath.Join(dir, "node_modules/hubot/bin/Hubot.mjs"))
	require.NoError(t, err)
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
			t.Fatalf("this machine lacks Hubot: lab/requirements --install test")
		}
		t.Skip("this machine lacks Hubot")
	}
	return program
}

func startHubot(t *testing.T, port, url string) *hubot {
	t.Helper()
	program := hubotProgram(t)
	dir := t.TempDir()
	script, err := os.ReadFile("../../hubot/autobuilder.mjs")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "scripts"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "scripts", "autobuilder.mjs"), script, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".hubot_history"), nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Dir(filepath.Dir(filepath.Dir(program))), filepath.Join(dir, "node_modules")))
	cmd := exec.CommandContext(t.Context(), "node", program, "-a", "Shell", "-n", "hubot")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "EXPRESS_BIND_ADDRESS=127.0.0.1", "EXPRESS_PORT="+port, "HUBOT_LOG_LEVEL=warn",
		"HUBOT_AUTOBUILDER_URL="+url, "HUBOT_AUTOBUILDER_TOKEN=hubot's own token", "HUBOT_AUTOBUILDER_ROOM=deploys",
		"HUBOT_AUTOBUILDER_SECRET="+secret)
	h := &hubot{t: t, said: &logText{}}
	cmd.Stdout, cmd.Stderr = h.said, h.said
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	h.in = in
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(h.said)
		}
	})
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, patient, 50*time.Millisecond, "Hubot's web server is up")
	return h
}

// asks says something until it is answered: the first words may come before the script is there.
func (h *hubot) asks(text, answer string) {
	h.t.Helper()
	var next time.Time
	require.Eventually(h.t, func() bool {
		if time.Now().After(next) {
			fmt.Fprintln(h.in, "hubot "+text)
			next = time.Now().Add(5 * time.Second)
		}
		return strings.Contains(h.said.String(), answer)
	}, patient, 20*time.Millisecond, "%q is answered with %q", text, answer)
}

func (h *hubot) hears(text string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return strings.Contains(h.said.String(), text) }, patient, 20*time.Millisecond, "the room hears %q", text)
}

func TestARoomWithHubot(t *testing.T) {
	t.Parallel()
	hubotProgram(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	s := newStage(t, `listen: 127.0.0.1:0
jenkins: {listen: 127.0.0.1:0}
tokens: [{name: hubot, scopes: [chat], token_file: token}]
chat: {people: {'1': bob}}
notify: {webhooks: [{name: hubot, url: 'http://127.0.0.1:`+port+`/hubot/autobuilder', secret_env: SECRET}]}`)
	s.write("token", "hubot's own token\n")
	s.commit("one")
	v := s.serve()
	h := startHubot(t, port, v.url)

	h.asks("where can i deploy shop", "shop goes to production")
	h.asks("deploy shpo", "shpo? never heard of it. Did you mean shop?")
	h.asks("lock shop the tables move for 1h", "shop is locked by bob: the tables move, until ")
	v.tell("d1", "refs/heads/master")
	require.Eventually(t, func() bool {
		all := s.builds()
		return len(all) == 1 && strings.HasPrefix(all[0].Why, "locked by bob")
	}, patient, 20*time.Millisecond, "the build waits")
	h.asks("unlock shop", "shop is unlocked: what waits goes")
	s.reaches(0, build.Succeeded)
	h.hears("shop " + s.builds()[0].Commit[:10] + " is out")

	s.git("-C", s.repo, "tag", "v2.0.0")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v3.0.0")
	h.asks("deploy shop/v3.0.0", "shop: ")
	s.reaches(1, build.Succeeded)
	h.hears("shop v3.0.0 is out")
	h.asks("rollback shop", "shop v2.0.0 waits to be built")
	b := s.reaches(2, build.Succeeded)
	require.Equal(t, "bob", b.By)
	require.Equal(t, s.builds()[0].Commit, b.Commit)
	require.NotContains(t, h.said.String(), "not want that")
	require.False(t, bytes.Contains([]byte(h.said.String()), []byte("hubot's own token")))
}
