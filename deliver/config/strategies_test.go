package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

const s3Strategy = `
REQUIRED_CONFIGS+=("S3_BUCKET")
OPTIONAL_CONFIGS=(APP "S3_PREFIX")

run() {
  status "Copying to $S3_BUCKET"
  __exec_if_defined "pre_copy"
  echo "$APP $GENERATE_CMD"
}
`

func strategic(t *testing.T, text string, more map[string]string) string {
	t.Helper()
	files := map[string]string{
		".deliver/config":               "APP=shop\nSTRATEGY=copy\nGENERATE_CMD=\"make all\"\nS3_BUCKET=b\nrun() { echo the config loses; }\npre_copy() { echo hooked; }\n",
		".deliver/strategies/copy":      text,
		".deliver/strategies/README.md": "read me",
		".deliver/strategies/.hidden":   "",
		".deliver/strategies/copy~":     "",
		".deliver/strategies/dir/x":     "",
	}
	for name, text := range more {
		files[name] = text
	}
	return project(t, files)
}

func TestStrategiesAreListedAndMatchedByTheirWholeName(t *testing.T) {
	t.Parallel()
	s := load(t, strategic(t, s3Strategy, map[string]string{".deliver/strategies/copy-all": "", ".deliver/strategies/tarball": ""})).Script
	assert.Equal(t, []string{"tarball", "copy", "copy-all"}, s.Strategies())
	require.NoError(t, s.CheckStrategy("copy"))
	require.EqualError(t, s.CheckStrategy("cop"), "'cop' strategy does not exist (did you mean copy?); available strategies: tarball, copy, copy-all")
	require.ErrorContains(t, s.CheckStrategy("nodejs"), "'nodejs' strategy does not exist; it was built into the original deliver")
	require.Error(t, s.CheckStrategy("dir"))
	require.Error(t, s.CheckStrategy("../config"))
}

func TestAStrategySaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	c := load(t, strategic(t, s3Strategy, nil))
	needs, err := c.Script.Requirements(t.Context(), "copy")
	require.NoError(t, err)
	assert.Equal(t, []string{"ORIGIN_DIR", "STRATEGY", "S3_BUCKET"}, needs.Required)
	assert.Equal(t, []string{"APP", "S3_PREFIX"}, needs.Optional)
	require.NoError(t, c.Need(needs.Required...))

	needs, err = c.Script.Requirements(t.Context(), "tarball")
	require.NoError(t, err)
	assert.Equal(t, []string{"ORIGIN_DIR", "STRATEGY", "HOSTS"}, needs.Required)

	needs, err = load(t, project(t, nil)).Script.Requirements(t.Context(), "tarball")
	require.NoError(t, err)
	assert.Equal(t, []string{"ORIGIN_DIR", "STRATEGY", "HOSTS"}, needs.Required)
}

func TestAConfigMayRequireMore(t *testing.T) {
	t.Parallel()
	c := load(t, configured(t, "REQUIRED_CONFIGS+=(TOKEN)\nHOSTS=a\n"))
	needs, err := c.Script.Requirements(t.Context(), "tarball")
	require.NoError(t, err)
	assert.EqualError(t, c.Need(needs.Required...), "TOKEN is not set: set it in .deliver/config or in the environment")
	assert.NoError(t, load(t, configured(t, "REQUIRED_CONFIGS+=(TOKEN)\n"), "TOKEN=x").Need("TOKEN"))
}

func TestAStrategyRuns(t *testing.T) {
	t.Parallel()
	out, err := ranStrategy(t, s3Strategy)
	require.NoError(t, err)
	assert.Equal(t, "\nDELIVERING SHOP WITH COPY STRATEGY\n\n-----> Copying to b\nhooked\nshop make all\n\nSHOP DELIVERED!\n\n", out)
}

func TestAStrategyThatFailsIsNotDelivered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"error":          {"run() { error 'no bucket'; }", "strategy copy (.deliver/strategies/copy) failed: exit status 1"},
		"its result":     {"run() { return 5; }", "exit status 5"},
		"a missing task": {"run() { git_push; true; }", "exit status 127"},
		"no run":         {"walk() { :; }", "exit status 1"},
		"bad syntax":     {"run() {\n  if\n}\n", ".deliver/strategies/copy:3: syntax error near unexpected token `}'"},
		"CRLF":           {"run() {\r\n:\r\n}\r\n", ".deliver/strategies/copy:1: the lines end in CRLF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := ranStrategy(t, c.text)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, out, "DELIVERED!")
		})
	}
}

func TestWhatIsNoScriptCannotBeRunAsOne(t *testing.T) {
	t.Parallel()
	s := load(t, strategic(t, s3Strategy, nil)).Script
	require.Error(t, s.RunStrategy(t.Context(), "tarball", config.Call{}))
	require.Error(t, s.RunStrategy(t.Context(), "nothing", config.Call{}))
	_, err := s.Requirements(t.Context(), "nothing")
	require.Error(t, err)
}

func TestAStrategyThatFailsToLoadSaysWhy(t *testing.T) {
	t.Parallel()
	s := load(t, strategic(t, "source ./lib/none\n", nil)).Script
	_, err := s.Requirements(t.Context(), "copy")
	require.ErrorContains(t, err, "./lib/none: No such file or directory")
	require.ErrorContains(t, err, "defines no function run")
}

func TestAStrategyThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Log("root reads everything, so the file is taken away instead")
	}
	dir := strategic(t, s3Strategy, nil)
	s := load(t, dir).Script
	require.NoError(t, os.Remove(filepath.Join(dir, ".deliver/strategies/copy")))
	require.ErrorContains(t, s.RunStrategy(t.Context(), "copy", config.Call{}), "'copy' strategy does not exist")
}

func TestHowMuchAStrategySays(t *testing.T) {
	t.Parallel()
	const talks = "run() { status working; __exec 'echo noise; echo trouble >&2'; __exec \"echo more $SILENCE\"; }\n"
	dir := strategic(t, talks, nil)
	for _, c := range []struct {
		src       config.Source
		out, said string
	}{
		{config.Source{}, "noise\nmore\n", "trouble\n"},
		{config.Source{Silent: true}, "", "trouble\n"},
		{config.Source{Debug: true}, "noise\nmore\n", "+ status working"},
	} {
		c.src.Dir, c.src.Environ = dir, environ()
		loaded, err := config.Load(t.Context(), c.src)
		require.NoError(t, err)
		var out, said bytes.Buffer
		require.NoError(t, loaded.Script.RunStrategy(t.Context(), "copy", config.Call{Stdout: &out, Stderr: &said}))
		assert.Equal(t, "\nDELIVERING SHOP WITH COPY STRATEGY\n\n-----> working\n"+c.out+"\nSHOP DELIVERED!\n\n", out.String())
		assert.Contains(t, said.String(), c.said)
	}
}

func ranStrategy(t *testing.T, text string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := load(t, strategic(t, text, nil)).Script.RunStrategy(t.Context(), "copy", config.Call{Stdout: &out, Stderr: &out})
	return out.String(), err
}
