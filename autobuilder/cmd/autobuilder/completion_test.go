package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// Tab is pressed in the shells themselves.
func TestCompletionInRealShells(t *testing.T) {
	t.Parallel()
	for _, shell := range shells() {
		labtest.Program(t, shell)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/shells"})
}

func TestWhatCompletes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "ci.yml")
	require.NoError(t, os.WriteFile(file, []byte("github: {secret_env: S}\nprojects: [{name: shop, repo: acme/shop}, {name: search, repo: acme/search}]\n"), 0o600))
	for _, c := range []struct{ line, want string }{
		{"", "serve check trigger replay history status explain jobs holds approve reject tick lock unlock completion"},
		{"tr", "trigger"},
		{"--se", "--server"},
		{"-", "--config --debug --log-json --server --token-file --help"},
		{"--config ", ":files"},
		{"--token-file=x", ":files"},
		{"jobs ", "render diff sync"},
		{"jobs sync --pr", "--prune"},
		{"--config " + file + " trigger ", "shop search"},
		{"--config " + file + " trigger --again sh", "shop"},
		{"--config " + file + " approve --note words se", "search"},
		{"--config " + file + " jobs render s", "shop search"},
		{"--config none trigger ", ""},
		{"lock --", "--reason --for --json --help"},
		{"--config " + file + " unlock s", "shop search"},
		{"explain ", ":files"},
		{"completion ", "bash zsh fish"},
		{"serve ", ""},
	} {
		var words []string
		for _, found := range newCompletion(newApp(nil, nil, nil), strings.Split(c.line, " ")).candidates() {
			words = append(words, found.word)
		}
		assert.Equal(t, c.want, strings.Join(words, " "), c.line)
	}
}

// The page of the manual is without fault, and says what the help says.
func TestManual(t *testing.T) {
	t.Parallel()
	mandoc, man := labtest.Program(t, "mandoc"), labtest.Program(t, "man")
	app := newApp(nil, nil, nil)
	page := filepath.Join(t.TempDir(), "autobuilder.1")
	require.NoError(t, os.WriteFile(page, []byte(manual(app, "2026-11-25")), 0o600))
	lint, err := exec.Command(mandoc, "-T", "lint", "-W", "all", page).CombinedOutput()
	require.NoError(t, err, string(lint))
	cmd := exec.Command(man, "-l", page)
	cmd.Env = append(os.Environ(), "MANWIDTH=200", "MAN_KEEP_FORMATTING=", "LC_ALL=C", "MANPAGER=cat")
	shown, err := cmd.CombinedOutput()
	require.NoError(t, err, string(shown))
	for _, c := range app.Commands {
		if !c.Hidden {
			assert.Contains(t, string(shown), "   "+c.Name)
		}
	}
	for _, text := range []string{"--server URL", "--note WORDS", "jobs sync", "wrong usage or configuration", "AUTOBUILDER_TOKEN"} {
		assert.Contains(t, string(shown), text)
	}
	assert.NotContains(t, string(shown), `\`)
}
