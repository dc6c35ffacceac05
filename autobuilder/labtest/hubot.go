package labtest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Hubot is the real one with autobuilder's script, and its shell for a room. Who
// speaks there has the account 1.
type Hubot struct {
	Said *Log
	t    testing.TB
	in   io.Writer
}

// HubotOptions are what its script is told.
type HubotOptions struct {
	Address string // of its own web server, at whose /hubot/autobuilder it hears of events
	URL     string // of autobuilder
	Token   string // of its API
	Secret  string // that events are signed with
}

// StartHubot runs one until the test ends.
func StartHubot(t testing.TB, o HubotOptions) *Hubot {
	t.Helper()
	top := checkout(t)
	program := hubotProgram(t, top)
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join(top, "autobuilder/hubot/autobuilder.mjs"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "scripts"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "scripts", "autobuilder.mjs"), script, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".hubot_history"), nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Dir(filepath.Dir(filepath.Dir(program))), filepath.Join(dir, "node_modules")))
	cmd := exec.CommandContext(t.Context(), Program(t, "node"), program, "-a", "Shell", "-n", "hubot")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "EXPRESS_BIND_ADDRESS=127.0.0.1", "EXPRESS_PORT="+portOf(t, o.Address), "HUBOT_LOG_LEVEL=warn",
		"HUBOT_AUTOBUILDER_URL="+o.URL, "HUBOT_AUTOBUILDER_TOKEN="+o.Token, "HUBOT_AUTOBUILDER_ROOM=deploys",
		"HUBOT_AUTOBUILDER_SECRET="+o.Secret)
	h := &Hubot{t: t}
	h.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	h.Said = start(t, cmd)
	listens(t, o.Address)
	return h
}

// hubotProgram is where lab/requirements puts Hubot.
func hubotProgram(t testing.TB, top string) string {
	t.Helper()
	dir := os.Getenv("HUBOT_DIR")
	if dir == "" {
		dir = filepath.Join(top, ".cache/hubot")
	}
	program, err := filepath.Abs(filepath.Join(dir, "node_modules/hubot/bin/Hubot.mjs"))
	require.NoError(t, err)
	if _, err := os.Stat(program); err != nil {
		Lacks(t, "Hubot")
	}
	return program
}

// checkout is the repository that this file is in.
func checkout(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	require.True(t, ok)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Asks says something until it is answered: the first words may come before the script is there.
func (h *Hubot) Asks(text, answer string) {
	h.t.Helper()
	var next time.Time
	require.Eventually(h.t, func() bool {
		if time.Now().After(next) {
			fmt.Fprintln(h.in, "hubot "+text)
			next = time.Now().Add(5 * time.Second)
		}
		return h.Said.Says(answer)
	}, patient, tick, "%q is answered with %q", text, answer)
}

// Hears waits until the room is told the words.
func (h *Hubot) Hears(text string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return h.Said.Says(text) }, patient, tick, "the room hears %q", text)
}
