package config_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

func TestMistakesNameFileAndLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ config, want string }{
		"no assignment":         {"APP=a\nINCREMENT-VERSION=patch\n", ".deliver/config:2: INCREMENT-VERSION= is no assignment: a variable's name holds only letters, digits and _"},
		"blanks around =":       {"APP = a\n", ".deliver/config:1: APP: command not found"},
		"no such command":       {"\n\nlist_hosts\n", ".deliver/config:3: list_hosts: command not found"},
		"value of no command":   {"HOSTS=$(list_hosts)\n", ".deliver/config:1: the command that gives HOSTS was not found: list_hosts"},
		"failing command":       {"APP=a\nfalse\nAPP=b\n", ".deliver/config:2: false failed: exit status 1; where that is no fault, write || true after it"},
		"failing value":         {"HOSTS=\"$(echo web-1; exit 9)\"\n", ".deliver/config:1: the command that gives HOSTS failed: exit status 9"},
		"failing in a function": {"f() {\n  false\n  true\n}\nf\n", ".deliver/config:2: false failed"},
		"failing pipe":          {"set -o pipefail\nHOSTS=$(false | cat)\n", ".deliver/config:2: the command that gives HOSTS failed"},
		"what it sources fails": {"source .deliver/more\n", ".deliver/more:2: cat failed: exit status 1"},
		"nothing to source":     {"source .deliver/none\n", ".deliver/config:1: source failed"},
		"exit":                  {"APP=a\nexit 0\n", ".deliver/config:2: the config ends the run with exit 0; leave it with return instead"},
		"exit in a function":    {"f() { exit 3; }\nAPP=a\nf\n", ".deliver/config:1: the config ends the run with exit 3"},
		"exec":                  {"APP=a\nexec true\n", ".deliver/config: bash ended before the end of the file: exec or a trap in it replaced bash"},
		"unset under set -u":    {"set -u\nHOSTS=$STAGING__HOSTS\n", ".deliver/config:2: STAGING__HOSTS: unbound variable"},
		"demanded":              {"APP=a\nHOSTS=${HOSTS:?is missing}\n", ".deliver/config:2: HOSTS: is missing"},
		"unclosed quote":        {"APP=a\nHOSTS=\"a b\nPORT=1\n", ".deliver/config:2: unexpected EOF while looking for matching `\"'"},
		"unclosed function":     {"f() {\n  true\n", ".deliver/config:3: syntax error: unexpected end of file"},
		"unclosed if":           {"if true; then\nAPP=a\n", "unexpected end of file"},
		"stray brace":           {"APP=a\n}\n", ".deliver/config:2: syntax error near unexpected token `}'"},
		"unclosed heredoc":      {"cat <<EOT\nfoo\n", ".deliver/config:2: here-document at line 1 delimited by end-of-file (wanted `EOT')"},
		"CRLF":                  {"# unix\nAPP=a\r\nf() {\r\n}\r\n", ".deliver/config:2: the lines end in CRLF"},
		"byte order mark":       {"\xef\xbb\xbfAPP=a\n", ".deliver/config:1: the file begins with a byte order mark"},
		"NUL":                   {"APP=a\nX=\x00\n", ".deliver/config:2: a NUL byte"},
		"extglob not set":       {"case a in !(b)) APP=a ;; esac\n", ".deliver/config:1: syntax error near unexpected token `('"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, map[string]string{".deliver/config": c.config, ".deliver/more": "X=1\ncat /nonexistent\n"})
			message, _ := refuse(t, dir)
			assert.Contains(t, message, c.want)
			assert.NotContains(t, message, dir, "the path is the project's")
		})
	}
}

func TestWhatIsNoMistake(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"handled":             "false || APP=good\n",
		"tested":              "if false; then APP=bad; else APP=good; fi\n",
		"last one of a list":  "APP=good\n[ -n '' ] && APP=bad\n",
		"in a substitution":   "APP=$(false; echo good)\n",
		"in a subshell":       "APP=good\n(false; true)\n",
		"returns":             "APP=good\nreturn 0\nAPP=bad\n",
		"returns with a code": "APP=good\nreturn 7\nAPP=bad\n",
		"zero":                "APP=good\n((x = 0))\nlet x=0\n",
		"heredoc":             "read -r -d '' X <<E\nabc\nE\nAPP=good\n",
		"not found, handled":  "nosuch 2>/dev/null || APP=good\n",
		"posix mode outside":  "APP=good\n",
		"local":               "f() { local x=$(false); }\nf\nAPP=good\n",
		"own ERR trap":        "trap : ERR\nfalse\nAPP=good\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := load(t, configured(t, text), "POSIXLY_CORRECT=1", "SHELLOPTS=errexit:nounset")
			assert.Equal(t, "good", c.App)
		})
	}
}

func TestErrorsAndOutputTellNoSecrets(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no assignment": "DB-PASSWORD=hunter2\n",
		"failing value": "URL=\"postgres://me:hunter2@$(false)\"\n",
		"failing call":  "true_command() { return 1; }\ntrue_command --password hunter2\n",
		"syntax":        "PASSWORD=(a) hunter2 (\n",
		"syntax, more":  "X=1\nPASSWORD='hunter2\n",
		"command":       "hunter() { nosuch --token hunter2; }\nhunter\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message, printed := refuse(t, configured(t, text))
			assert.Contains(t, message, ".deliver/config:")
			assert.NotContains(t, message+printed, "hunter2")
		})
	}
}

func TestAConfigThatHangsIsStoppedWithAllThatItStarted(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a command":             "APP=a\nsleep 1000 & echo $! >child\nsleep 1001\n",
		"a value":               "APP=a\nX=$(sleep 1000 & echo $! >child; wait)\n",
		"deaf":                  "trap '' TERM\nbash -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 1000; done'\n",
		"bash itself":           "sleep 1000 & echo $! >child\nwhile :; do :; done\n",
		"waiting for an answer": "sleep 1000 & echo $! >child\nread -r X </dev/zero\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := configured(t, text)
			message, _ := refuse(t, dir, "DELIVER_CONFIG_TIMEOUT=700ms")
			assert.Contains(t, message, ".deliver/config")
			assert.Contains(t, message, "still running after 700ms, so it was stopped; DELIVER_CONFIG_TIMEOUT allows more")
			requireGone(t, filepath.Join(dir, "child"))
		})
	}
}

func TestAHangNamesItsLine(t *testing.T) {
	t.Parallel()
	message, _ := refuse(t, configured(t, "APP=a\n\nsleep 1000\n"), "DELIVER_CONFIG_TIMEOUT=500ms")
	assert.Contains(t, message, ".deliver/config:3: still running")
}

func TestWhatAConfigLeavesRunningHoldsNothingUp(t *testing.T) {
	t.Parallel()
	dir := configured(t, "APP=a\nsleep 1000 & echo $! >child\n")
	assert.Equal(t, "a", load(t, dir).App)
	requireGone(t, filepath.Join(dir, "child"))
}

func TestAnInterruptedEvaluationSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	dir := configured(t, "echo ready\nsleep 1000\n")
	ready := writerFunc(func(p []byte) (int, error) {
		cancel(errors.New("interrupted: terminated"))
		return len(p), nil
	})
	_, err := config.Load(ctx, config.Source{Dir: dir, Environ: environ(), Output: ready})
	assert.EqualError(t, err, "evaluate .deliver/config: interrupted: terminated")
}

// requireGone waits until the process whose number stands in the file ended.
func requireGone(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !runs(pid) }, 10*time.Second, 10*time.Millisecond)
}

// runs says whether a process runs; a dead one that nobody waited for does not.
func runs(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestOutputOfAConfigIsPassedOnAndChangesNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	dir := configured(t, "echo to stdout\nprintf 'end\\0variable\\0' \necho to stderr >&2\necho x >&3\nAPP=a\nprintf 'no line end' >&2\n")
	c, err := config.Load(t.Context(), config.Source{Dir: dir, Environ: environ(), Output: &out})
	if err != nil {
		assert.Contains(t, err.Error(), ".deliver/config:4: echo failed", "fd 3 is not open")
	} else {
		assert.Equal(t, "a", c.App)
	}
	assert.Contains(t, out.String(), "to stdout\n")
	assert.Contains(t, out.String(), "to stderr\n")
}

func TestLargeAndBinaryValues(t *testing.T) {
	t.Parallel()
	var out countingWriter
	dir := configured(t, `APP=a
head -c 10000000 /dev/zero | tr '\0' x
head -c 10000000 /dev/zero | tr '\0' y >&2
BIG=$(head -c 10000000 /dev/zero | tr '\0' z)
BINARY=$'\001\377\n\t\r'
`)
	c, err := config.Load(t.Context(), config.Source{Dir: dir, Environ: environ(), Output: &out})
	require.NoError(t, err)
	assert.Equal(t, 20_000_000, int(out))
	assert.Len(t, c.Value("BIG").Text, 10_000_000)
	assert.Equal(t, "\001\377\n\t\r", c.Value("BINARY").Text)
}

type countingWriter int

func (w *countingWriter) Write(p []byte) (int, error) {
	*w += countingWriter(len(p))
	return len(p), nil
}

func TestWhereAConfigMayBe(t *testing.T) {
	t.Parallel()
	t.Run("a file .deliver", func(t *testing.T) {
		t.Parallel()
		c := load(t, project(t, map[string]string{".deliver": "APP=a\n"}))
		assert.Equal(t, ".deliver:1", c.Value("APP").Origin)
	})
	t.Run("a link to a directory", func(t *testing.T) {
		t.Parallel()
		dir := project(t, map[string]string{"ops/config": "APP=a\n"})
		require.NoError(t, os.Symlink("ops", filepath.Join(dir, ".deliver")))
		assert.Equal(t, ".deliver/config:1", load(t, dir).Value("APP").Origin)
	})
	t.Run("a link to a file", func(t *testing.T) {
		t.Parallel()
		dir := project(t, map[string]string{"ops": "APP=a\n"})
		require.NoError(t, os.Symlink("ops", filepath.Join(dir, ".deliver")))
		assert.Equal(t, ".deliver:1", load(t, dir).Value("APP").Origin)
	})
	t.Run("an empty directory", func(t *testing.T) {
		t.Parallel()
		dir := project(t, nil)
		require.NoError(t, os.Mkdir(filepath.Join(dir, ".deliver"), 0o755))
		assert.Equal(t, "shop", load(t, dir).App)
	})
}

func TestWhereNoConfigCanBe(t *testing.T) {
	t.Parallel()
	dir := project(t, nil)
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, ".deliver")))
	message, _ := refuse(t, dir)
	assert.Equal(t, ".deliver is a link to nowhere, which does not exist", message)

	dir = project(t, nil)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".deliver/config"), 0o755))
	message, _ = refuse(t, dir)
	assert.Equal(t, ".deliver/config is no file", message)

	dir = project(t, nil)
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".deliver"), 0o755))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, ".deliver/config"), 0o644))
	message, _ = refuse(t, dir)
	assert.Equal(t, ".deliver/config is no file", message)
}

// A daemon that a config starts keeps the outputs open for ever; it is out of
// reach, but holds nothing up.
func TestADaemonThatAConfigStartsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	dir := configured(t, "APP=a\nsetsid bash -c 'echo $$ >daemon; exec sleep 300' &\nuntil [[ -s daemon ]]; do :; done\n")
	assert.Equal(t, "a", load(t, dir).App)
	pid, err := strconv.Atoi(strings.TrimSpace(contents(t, filepath.Join(dir, "daemon"))))
	require.NoError(t, err)
	assert.True(t, runs(pid))
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

// What a config sets may be secret, and stays in files that nobody can open.
func TestNoTraceOfAnEvaluationIsLeft(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	dir := configured(t, "ls -A \"$TMPDIR\" >seen\nPASSWORD=hunter2\nhook() { ls -A \"$TMPDIR\" >>seen; }\n")
	c := load(t, dir, "TMPDIR="+tmp)
	require.NoError(t, c.Script.Call(t.Context(), config.Call{Function: "hook"}))
	assert.Empty(t, contents(t, filepath.Join(dir, "seen")))
}

func TestWithoutBashTheErrorSaysSo(t *testing.T) {
	empty := t.TempDir()
	dir := configured(t, "APP=a\n")
	t.Setenv("PATH", empty)
	_, err := config.Load(t.Context(), config.Source{Dir: dir, Environ: []string{"PATH=" + empty}})
	require.ErrorContains(t, err, "evaluate .deliver/config: start bash: exec: \"bash\": executable file not found in $PATH")
}

func TestABashThatIsTooOldIsNamed(t *testing.T) {
	old := t.TempDir()
	bash, err := exec.LookPath("bash")
	require.NoError(t, err)
	// As bash 3.2 of macOS would answer.
	fake := "#!" + bash + "\n[[ $* != *-O* && \"$4\" != exec* ]] || exit 0\nprintf 'old\\0003.2.57\\0' >&3\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(old, "bash"), []byte(fake), 0o755))
	dir := configured(t, "APP=a\n")
	t.Setenv("PATH", old+":"+os.Getenv("PATH"))
	message, _ := refuse(t, dir)
	assert.Equal(t, ".deliver/config: bash 3.2.57 is too old: it takes 4.4 or newer, first on the PATH", message)
}
