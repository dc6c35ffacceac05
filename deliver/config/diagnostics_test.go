package config_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

// printed loads a config and gives what it printed.
func printed(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	_, err := config.Load(t.Context(), config.Source{Dir: configured(t, text), Environ: environ(), Output: &out})
	require.NoError(t, err)
	return out.String()
}

func TestWhatBashSaysOfAGoodConfigIsPassedOn(t *testing.T) {
	t.Parallel()
	out := printed(t, "nosuch || true\necho last >&2\n")
	assert.Contains(t, out, "line 1: nosuch: command not found\n")
	assert.Contains(t, out, "last\n")
}

func TestLinesOfAnyLengthArePassedOnWhole(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "no end", printed(t, "printf 'no end' >&2\n"))
	assert.Equal(t, "one\ntwo", printed(t, "printf 'one\\ntwo' >&2\n"))
	long := printed(t, "head -c 200000 /dev/zero | tr '\\0' x >&2\necho >&2\n")
	assert.Equal(t, strings.Repeat("x", 200_000)+"\n", long)
}

func TestManyComplaintsOfBashAreBounded(t *testing.T) {
	t.Parallel()
	out := printed(t, "for i in {1..300}; do nosuch || true; done\n")
	assert.Equal(t, 300, strings.Count(out, "nosuch: command not found\n"))
}

// The error takes the place of what bash printed, so that the reason stands
// there once.
func TestAMistakeIsToldOnce(t *testing.T) {
	t.Parallel()
	message, out := refuse(t, configured(t, "echo before\nnosuch --now\n"))
	assert.Equal(t, ".deliver/config:2: nosuch: command not found", message)
	assert.Equal(t, "before\n", out)
}

// What the failing command itself says is what explains it.
func TestWordsOfAFailingCommandAreKept(t *testing.T) {
	t.Parallel()
	message, out := refuse(t, configured(t, "HOSTS=$(cat /nonexistent/list)\n"))
	assert.Equal(t, ".deliver/config:1: the command that gives HOSTS failed: exit status 1", message)
	assert.Contains(t, out, "/nonexistent/list: No such file or directory")
}
