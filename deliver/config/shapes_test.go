package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

// Whatever form a config has, each variable is read as bash itself says.
func TestEveryShapeOfConfigIsReadAsBashSays(t *testing.T) {
	t.Parallel()
	shapes, err := filepath.Glob("testdata/shapes/*")
	require.NoError(t, err)
	require.NotEmpty(t, shapes)
	for _, shape := range shapes {
		if filepath.Ext(shape) == ".inc" {
			continue
		}
		t.Run(filepath.Base(shape), func(t *testing.T) {
			t.Parallel()
			dir := project(t, map[string]string{".deliver/config": contents(t, shape), ".deliver/hosts.inc": contents(t, "testdata/shapes/hosts.inc")})
			c := load(t, dir)
			for name, want := range asBashSays(t, dir) {
				if _, setting := config.Lookup(name); setting && want == "" {
					continue // then the default counts
				}
				assert.Equal(t, want, c.Value(name).Text, name)
			}
		})
	}
}

func TestFunctionsOfAShapeAreFound(t *testing.T) {
	t.Parallel()
	c := load(t, project(t, map[string]string{".deliver/config": contents(t, "testdata/shapes/hooks")}))
	assert.Equal(t, []string{"helper", "post_restart", "pre_git_push"}, c.Script.Functions())
	assert.True(t, c.Script.Has("pre_git_push"))
	assert.False(t, c.Script.Has("post_never"), "it is commented out")
	assert.False(t, c.Script.Has("status"), "it is deliver's own")
}

// asBashSays sources the config in a plain bash and gives every variable that
// it changed, arrays with blanks between.
func asBashSays(t *testing.T, dir string) map[string]string {
	t.Helper()
	const script = `
before=$(compgen -v)
{ source "$1"; } >/dev/null 2>&1
set +eu; IFS=' '
for n in $(compgen -v | tr '\n' ' '); do
  case $n in BASH*|_|n|before|r|PIPESTATUS|IFS|RANDOM|SRANDOM|SECONDS|EPOCH*|LINENO|FUNCNAME|PWD|OLDPWD|HOME|USER|OPTIND|SHELLOPTS|BASHOPTS) continue;; esac
  declare -n r=$n
  [[ $'\n'$before$'\n' == *$'\n'$n$'\n'* ]] || printf '%s\0%s\0' "$n" "${r[*]}"
  unset -n r
done`
	cmd := exec.Command("bash", "--norc", "-c", script, "bash", filepath.Join(dir, ".deliver/config"))
	cmd.Dir, cmd.Env = dir, append(environ(), "ORIGIN_DIR="+dir)
	out, err := cmd.Output()
	require.NoError(t, err)
	said := map[string]string{}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		said[fields[i]] = fields[i+1]
	}
	require.NotEmpty(t, said)
	return said
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
