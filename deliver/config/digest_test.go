package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADigestTellsConfigsApart(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		".deliver/config":    "source .deliver/functions\nSTARTED=$RANDOM$RANDOM\n",
		".deliver/functions": "drain() { echo one; }\n",
	})
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	first := load(t, dir).Digest()
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, first)
	assert.Equal(t, first, load(t, dir, "KEEP_RELEASES=9").Digest(), "what came of it is no part of it")

	write(".deliver/functions", "drain() { echo two; }\n")
	second := load(t, dir).Digest()
	assert.NotEqual(t, first, second, "a function of a file that it reads")

	write(".deliver/config", "source .deliver/functions\n")
	assert.NotEqual(t, second, load(t, dir).Digest(), "the file itself")

	assert.Empty(t, load(t, project(t, nil)).Digest())
}
