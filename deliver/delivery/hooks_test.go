package delivery_test

import (
	"archive/tar"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

// notebook is hooks that write down how they were called.
type notebook struct {
	mu    sync.Mutex
	calls []string
	env   map[string]map[string]string
	fail  map[string]error
}

func (n *notebook) hooks(names ...string) delivery.Hooks {
	n.env = map[string]map[string]string{}
	return delivery.Hooks{
		Has: func(name string) bool { return slices.Contains(names, name) },
		Call: func(_ context.Context, call delivery.HookCall) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			said := call.Name
			for _, arg := range call.Args {
				said += " " + arg
			}
			n.calls = append(n.calls, said)
			n.env[said] = call.Env
			call.Line("hook " + said)
			return n.fail[said]
		},
	}
}

var everyHook = []string{
	"pre_ship", "post_ship", "pre_switch", "post_switch", "pre_restart", "post_restart",
	"pre_rollback", "post_rollback", "drain", "undrain",
}

func TestHooksAreCalledInOrder(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	n := &notebook{}
	d := s.delivery(app(t, "v2"))
	d.Order, d.Hooks = plan.Order{Mode: plan.Rolling}, n.hooks(everyHook...)
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Equal(t, []string{
		"pre_ship", "post_ship", "pre_switch", "pre_restart",
		"drain h1", "undrain h1", "drain h2", "undrain h2", "post_restart", "post_switch",
	}, n.calls)
	assert.Equal(t, map[string]string{
		"APP": "web", "RELEASE": "v2", "VERSION": "v2", "COMMIT": "", "DELIVER_TO": s.dir, "HOST": "h1", "PREVIOUS": "v1",
	}, n.env["drain h1"])
	assert.Contains(t, s.said(), "hook drain h1")
}

// Hooks of the original's tasks stand around those of the step that does
// their work now.
func TestHooksOfTheOriginalsTasks(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	n := &notebook{}
	d := s.delivery(app(t, "v1"))
	d.Hooks = n.hooks(delivery.HookNames()...)
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Equal(t, []string{
		"pre_git_push", "pre_ship", "post_ship", "post_git_push",
		"pre_switch", "pre_upstart", "pre_launch", "pre_restart", "post_restart", "post_launch", "post_upstart", "post_switch",
	}, n.calls)
	assert.Subset(t, delivery.HookNames(), append(n.calls, "pre_rollback", "post_rollback"))
}

func TestHooksAroundATakingBack(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	s.poison("h2", "v2")
	n := &notebook{}
	d := s.delivery(app(t, "v2"))
	d.Order, d.Hooks = plan.Order{Mode: plan.Rolling}, n.hooks("pre_rollback", "post_rollback", "drain", "undrain")
	require.Equal(t, rollout.RolledBack, d.Deliver(t.Context()).Result, s.said())
	assert.Equal(t, []string{
		"drain h1", "undrain h1", "drain h2",
		"pre_rollback", "drain h2", "undrain h2", "drain h1", "undrain h1", "post_rollback",
	}, n.calls)
}

func TestHooksOfARollback(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	n := &notebook{}
	d := s.delivery(app(t, "v2"))
	d.Action, d.Hooks = delivery.Rollback, n.hooks("pre_rollback", "post_rollback", "pre_switch", "post_switch")
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Equal(t, []string{"pre_rollback", "pre_switch", "post_switch", "post_rollback"}, n.calls)
}

func TestAFailingHookFailsItsStep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want  rollout.Result
		calls []string
	}{
		"pre_ship":   {rollout.Failed, []string{"pre_ship"}},
		"pre_switch": {rollout.Failed, []string{"pre_ship", "post_ship", "pre_switch"}},
		"drain h1":   {rollout.RolledBack, []string{"pre_ship", "post_ship", "pre_switch", "pre_restart", "drain h1", "undrain h1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, "h1")
			require.Equal(t, rollout.OK, s.push("v1").Result)
			n := &notebook{fail: map[string]error{name: errors.New("hook says no")}}
			d := s.delivery(app(t, "v2"))
			d.Hooks = n.hooks(everyHook...)
			out := d.Deliver(t.Context())
			assert.Equal(t, c.want, out.Result)
			assert.Equal(t, c.calls, n.calls)
			s.runs("v1")
			assert.Equal(t, "v1", s.read("h1", "restarts"), "what was not switched is not restarted")
			assert.Contains(t, s.said(), "hook says no")
		})
	}
}

func TestAPostSwitchThatFailsTakesTheFleetBack(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	n := &notebook{fail: map[string]error{"post_switch": errors.New("smoke test failed")}}
	d := s.delivery(app(t, "v2"))
	d.Hooks = n.hooks("post_switch")
	assert.Equal(t, rollout.RolledBack, d.Deliver(t.Context()).Result)
	s.runs("v1")
}

func TestAFailingFirstDeliveryStaysDrained(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	s.poison("h1", "v1")
	n := &notebook{}
	d := s.delivery(app(t, "v1"))
	d.Hooks = n.hooks("drain", "undrain")
	require.Equal(t, rollout.RolledBack, d.Deliver(t.Context()).Result)
	assert.Equal(t, []string{"drain h1", "drain h1"}, n.calls)
	assert.Contains(t, s.said(), "it stays drained")
}

func TestHooksOfTheReleaseRunOnTheServer(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	require.Equal(t, rollout.OK, s.push("v1").Result)
	hook := func(name, script string) tar.Header {
		return tar.Header{Name: ".deliver/hooks/" + name, Mode: 0o755, Uname: "#!/bin/sh\n" + script}
	}
	note := "echo $0 $APP $RELEASE $PREVIOUS $HOST | sed 's#.*/##' >>../../hooks; echo said by $0"
	out := s.delivery(app(t, "v2", hook("pre-switch", note), hook("post-switch", note), hook("post-restart", note))).Deliver(t.Context())
	require.Equal(t, rollout.OK, out.Result, s.said())
	assert.Equal(t, "pre-switch web v2 v1 h1\npost-switch web v2 v1 h1\npost-restart web v2 v1 h1\n", s.read("h1", "hooks"))
	assert.Contains(t, s.said(), "said by")

	out = s.delivery(app(t, "v3", hook("pre-switch", "echo migration failed; exit 3"))).Deliver(t.Context())
	assert.Equal(t, rollout.RolledBack, out.Result)
	assert.ErrorContains(t, out.Hosts[0].Err, "migration failed")
	s.runs("v2")
	assert.Equal(t, "v1v2", s.read("h1", "restarts"), "what was not switched is not restarted")
}

func TestAServerBornMeanwhileGetsTheReleaseToo(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "born")
	d := s.delivery(app(t, "v1"))
	d.Hosts = s.hosts[:2]
	d.Relist = func(context.Context) ([]inventory.Host, error) { return s.hosts, nil }
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	s.runs("v1")
}
