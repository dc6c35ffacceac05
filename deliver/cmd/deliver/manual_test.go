package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
	"deliver/sshdtest"
)

// The pages of the manual are without fault, and say what the help says.
func TestManual(t *testing.T) {
	t.Parallel()
	mandoc, man := sshdtest.Need(t, "mandoc", "mandoc"), sshdtest.Need(t, "man", "man-db")
	e := &environment{flags: map[string]string{}}
	var known []string
	for _, v := range config.Variables() {
		known = append(known, v.Name)
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"deliver.1":        {commandManual(e, "2026-11-25"), append(commandNames(completed(commands(e), e)), "--json", "130, 143", "interrupted")},
		"deliver-config.5": {configManual(e, "2026-11-25"), append(known, "pre_switch", "--health-url")},
	} {
		page := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(page, []byte(c.text), 0o644))
		lint, err := exec.Command(mandoc, "-T", "lint", "-W", "all", page).CombinedOutput()
		require.NoError(t, err, string(lint))
		cmd := exec.Command(man, "-l", page)
		cmd.Env = append(os.Environ(), "MANWIDTH=200", "MAN_KEEP_FORMATTING=", "LC_ALL=C", "MANPAGER=cat")
		shown, err := cmd.CombinedOutput()
		require.NoError(t, err, string(shown))
		for _, text := range c.want {
			assert.Contains(t, string(shown), text, name)
		}
		assert.NotContains(t, string(shown), `\`, name)
	}
}
