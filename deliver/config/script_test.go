package config_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

// called calls a function and gives what it wrote.
func called(t *testing.T, s *config.Script, call config.Call) (string, error) {
	t.Helper()
	var out bytes.Buffer
	call.Stdout, call.Stderr = &out, &out
	err := s.Call(t.Context(), call)
	return out.String(), err
}

func TestCallGivesArgumentsAndEnvironment(t *testing.T) {
	t.Parallel()
	c := load(t, configured(t, `
HOSTS="a b"
drain() { printf '%s\n' "$#" "$1" "$2" "$RELEASE"; bash -c 'echo "exported: $RELEASE $0"' "$APP"; }
`))
	out, err := called(t, c.Script, config.Call{Function: "drain", Args: []string{"it's a", "$(host)\nb"}, Env: map[string]string{"RELEASE": `r'1"`}})
	require.NoError(t, err)
	assert.Equal(t, "2\nit's a\n$(host)\nb\nr'1\"\nexported: r'1\" shop\n", out)
}

// The config runs once per delivery, however many hooks are called: what it
// found out by asking others is what every hook sees.
func TestHooksSeeTheConfigAsItWasEvaluated(t *testing.T) {
	t.Parallel()
	dir := configured(t, `
echo once >>"$ORIGIN_DIR/evaluated"
shopt -s extglob nullglob
FOUND=$(wc -l <evaluated)
declare -A WEIGHTS=([a b]="1 2")
LIST=(x "y z")
readonly SEALED="it's"
TEXT=$'two\nlines\t\001'
cd /
show() { printf '%s|' "$FOUND" "${WEIGHTS[a b]}" "${LIST[1]}" "$SEALED" "$TEXT" "$PWD" "$(shopt -q extglob && echo on)"; case x in !(y)) helper ;; esac; }
helper() { echo helped; }
`)
	c := load(t, dir)
	for range 3 {
		out, err := called(t, c.Script, config.Call{Function: "show"})
		require.NoError(t, err)
		assert.Equal(t, "1|1 2|y z|it's|two\nlines\t\001|/|on|helped\n", out)
	}
	assert.Equal(t, "once\n", contents(t, filepath.Join(dir, "evaluated")))
}

func TestHooksSeeTheSettingsAsTheyCameOut(t *testing.T) {
	t.Parallel()
	c := loadWith(t, configured(t, `
HOSTS=(a a me@b c)
APP=shop
KEEP_RELEASES=2
show() { echo "$APP $APP_USER $DELIVER_TO $HOSTS ${#HOSTS[@]} $HOSTS_APP_USER $KEEP_RELEASES $ORDER"; }
`), map[string]string{"KEEP_RELEASES": "7", "ONLY": "a,b"}, "APP=other")
	out, err := called(t, c.Script, config.Call{Function: "show"})
	require.NoError(t, err)
	assert.Equal(t, "other other ~other/app a me@b 1 other@a me@b 7 \n", out)
}

func TestTheExitStatusOfAHookDecides(t *testing.T) {
	t.Parallel()
	c := load(t, configured(t, `
good() { false; true; }
bad() { return 3; }
ends_well() { exit 0; }
ends() { exit 4; }
strict() { set -e; false; true; }
`))
	for function, want := range map[string]string{
		"good": "", "ends_well": "",
		"bad":    ".deliver/config: bad failed: exit status 3",
		"ends":   ".deliver/config: ends failed: exit status 4",
		"strict": ".deliver/config: strict failed: exit status 1",
		"none":   ".deliver/config defines no function none",
		"status": ".deliver/config defines no function status",
	} {
		_, err := called(t, c.Script, config.Call{Function: function})
		if want == "" {
			assert.NoError(t, err, function)
		} else {
			assert.EqualError(t, err, want)
		}
	}
}

func TestAHookThatHangsIsStoppedWithAllThatItStarted(t *testing.T) {
	t.Parallel()
	dir := configured(t, "pre_switch() { sleep 1000 & echo $! >child; wait; }\n")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := load(t, dir).Script.Call(ctx, config.Call{Function: "pre_switch"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, ".deliver/config: pre_switch: not done in time, so it was stopped")
	requireGone(t, filepath.Join(dir, "child"))
}

func TestAHookMayCleanUpWhenItIsStopped(t *testing.T) {
	t.Parallel()
	dir := configured(t, "pre_switch() { trap 'echo cleaned >cleaned; exit 1' TERM; echo ready; sleep 1000 & wait; }\n")
	ctx, cancel := context.WithCancel(t.Context())
	err := load(t, dir).Script.Call(ctx, config.Call{Function: "pre_switch", Stdout: writerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil
	})})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, "cleaned\n", contents(t, filepath.Join(dir, "cleaned")))
}

// A reader that went away must not hang the hook on a full pipe.
func TestAHookWhoseOutputNobodyTakesEnds(t *testing.T) {
	t.Parallel()
	dir := configured(t, "talk() { head -c 3000000 /dev/zero; echo done >done; }\n")
	err := load(t, dir).Script.Call(t.Context(), config.Call{Function: "talk", Stdout: writerFunc(func([]byte) (int, error) {
		return 0, os.ErrClosed
	})})
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(dir, "done"))
}

func TestManyHooksAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := load(t, configured(t, "drain() { echo \"$1\"; }\n")).Script
	results := make(chan string)
	for _, host := range []string{"a", "b", "c", "d", "e", "f"} {
		go func() {
			out, err := called(t, s, config.Call{Function: "drain", Args: []string{host}})
			assert.NoError(t, err)
			results <- out
		}()
	}
	var got []string
	for range 6 {
		got = append(got, <-results)
	}
	assert.ElementsMatch(t, []string{"a\n", "b\n", "c\n", "d\n", "e\n", "f\n"}, got)
}

func TestFunctionsOfTheOriginalCanBeCalled(t *testing.T) {
	t.Parallel()
	dir := configured(t, `
APP=shop
status "Loading config"
talk() {
  status "Talking"; hint_message "a\thint"; success_message "good"; error_message "bad"
  upcase it; echo me | upcase; __remote_friendly " a,b  c "
  __exec "echo run"; __exec_if_defined nothing; __exec_if_defined hook; __log "noted"
  error "stop here"; echo never
}
hook() { echo hooked; }
`)
	c := load(t, dir, "LOG_FILE="+filepath.Join(dir, "log"))
	out, err := called(t, c.Script, config.Call{Function: "talk"})
	require.EqualError(t, err, ".deliver/config: talk failed: exit status 1")
	assert.Equal(t, "-----> Talking\na\thint\ngood\nbad\nIT\nME\na b c\nrun\nhooked\nstop here\n", out)
	assert.Contains(t, contents(t, filepath.Join(dir, "log")), " ::: noted\n")
}
