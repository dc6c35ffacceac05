package config_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
	"deliver/sshdtest"
)

// fleetProject is a project whose hosts are real SSH servers.
func fleetProject(t *testing.T, fleet *sshdtest.Fleet, text string) *config.Config {
	t.Helper()
	me, err := user.Current()
	require.NoError(t, err)
	return load(t, configured(t, text), "HOSTS="+fleet.Names(), "APP_USER="+me.Username,
		"SSH_CONFIG="+fleet.Config(), "KNOWN_HOSTS="+fleet.KnownHosts())
}

func TestRemoteRunsOnAllHostsOfAFleet(t *testing.T) {
	t.Parallel()
	fleet := sshdtest.Start(t, "h1", "h2")
	c := fleetProject(t, fleet, `
all() { __remote "echo \"it's \$HOME\""; }
one() { __remote "echo here; pwd" "h2"; }
`)
	out, err := called(t, c.Script, config.Call{Function: "all"})
	require.NoError(t, err, out)
	for _, server := range fleet.Servers {
		assert.Contains(t, out, "it's "+server.Home+"\n")
	}
	out, err = called(t, c.Script, config.Call{Function: "one"})
	require.NoError(t, err, out)
	assert.Equal(t, 1, strings.Count(out, "here"))
}

// The original noticed a failed host only when its turn came, and left the
// others half way.
func TestRemoteWaitsForAllHostsAndFailsWithTheFailedOnesNames(t *testing.T) {
	t.Parallel()
	fleet := sshdtest.Start(t, "h1", "h2", "h3")
	c := fleetProject(t, fleet, `work() { __remote 'case $HOME in '"$BROKEN"') exit 7 ;; esac; expr 40 + 2'; echo never; }`)
	out, err := called(t, c.Script, config.Call{Function: "work", Env: map[string]string{"BROKEN": fleet.Servers[0].Home}})
	require.ErrorContains(t, err, ".deliver/config: work failed: exit status 1")
	assert.Equal(t, 2, strings.Count(out, "42\n"))
	assert.Contains(t, out, "FAILED 7: ")
	assert.Contains(t, out, "@h1\n")
	assert.NotContains(t, out, "never")
}

func TestAHostThatFailsIsToldWhileASlowOneWorks(t *testing.T) {
	t.Parallel()
	fleet := sshdtest.Start(t, "h1", "h2")
	c := fleetProject(t, fleet, `work() { __remote 'case $HOME in '"$BROKEN"') exit 7 ;; esac; until test -e $HOME/told; do sleep 0.05; done'; }`)
	var out bytes.Buffer
	listen := writerFunc(func(p []byte) (int, error) {
		out.Write(p)
		if strings.Contains(out.String(), "FAILED 7: ") {
			assert.NoError(t, os.WriteFile(filepath.Join(fleet.Servers[0].Home, "told"), nil, 0o644))
		}
		return len(p), nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := c.Script.Call(ctx, config.Call{Function: "work", Env: map[string]string{"BROKEN": fleet.Servers[1].Home}, Stdout: listen})
	require.ErrorContains(t, err, "exit status 1")
	assert.Contains(t, out.String(), "@h2\n")
}

func TestRemoteTrustsNoUnknownHost(t *testing.T) {
	t.Parallel()
	fleet := sshdtest.Start(t, "h1")
	text := "work() { __remote 'expr 40 + 2'; }\n"
	empty := t.TempDir() + "/known_hosts"
	dir := configured(t, text)
	c := load(t, dir, "HOSTS=h1", "APP_USER=root", "SSH_CONFIG="+fleet.Config(), "KNOWN_HOSTS="+empty)
	out, err := called(t, c.Script, config.Call{Function: "work"})
	require.Error(t, err)
	assert.Contains(t, out, "Host key verification failed")
	assert.NotContains(t, out, "42")
}

func TestAStrategyOfTheProjectDelivers(t *testing.T) {
	t.Parallel()
	fleet := sshdtest.Start(t, "h1", "h2")
	me, err := user.Current()
	require.NoError(t, err)
	dir := project(t, map[string]string{
		".deliver/config":           "APP=shop\nSTRATEGY=touch\nMARK=marked\n",
		".deliver/strategies/touch": "run() {\n  status \"Touching $MARK\"\n  __remote \"echo '$APP' >'$MARK'\"\n}\n",
	})
	c := load(t, dir, "HOSTS="+fleet.Names(), "APP_USER="+me.Username, "SSH_CONFIG="+fleet.Config(), "KNOWN_HOSTS="+fleet.KnownHosts())
	var out bytes.Buffer
	require.NoError(t, c.Script.RunStrategy(t.Context(), c.Strategy, config.Call{Stdout: &out, Stderr: &out}), out.String())
	assert.Contains(t, out.String(), "DELIVERING SHOP WITH TOUCH STRATEGY")
	assert.Contains(t, out.String(), "SHOP DELIVERED!")
	for _, server := range fleet.Servers {
		reached, err := exec.Command("ssh", "-F", fleet.Config(), server.Name, "cat marked").Output()
		require.NoError(t, err)
		assert.Equal(t, "shop\n", string(reached))
	}
}
