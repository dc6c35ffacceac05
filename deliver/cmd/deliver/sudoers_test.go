package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
	"deliver/sshdtest"
)

// What init prints for sudoers is what sudo reads.
func TestSudoersLinesAreValid(t *testing.T) {
	t.Parallel()
	visudo := sshdtest.Need(t, "visudo", "sudo")
	for _, supervisor := range []string{"systemd", "runit", "supervisor"} {
		c := &config.Config{Settings: config.Settings{Supervisor: supervisor, AppUser: "deploy", Service: "shop"}}
		lines := sudoers(c)
		require.NotEmpty(t, lines, supervisor)
		file := filepath.Join(t.TempDir(), "deploy")
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o440))
		out, err := exec.Command(visudo, "-c", "-f", file).CombinedOutput()
		require.NoError(t, err, string(out))
		for _, line := range lines {
			assert.NotRegexp(t, `[^\\]\*`, line, "a bare * lets through any words")
		}
	}
}

func TestNoSupervisorNeedsNoSudoers(t *testing.T) {
	t.Parallel()
	for _, supervisor := range []string{"", "none", "upstart"} {
		assert.Empty(t, sudoers(&config.Config{Settings: config.Settings{Supervisor: supervisor}}))
	}
}
