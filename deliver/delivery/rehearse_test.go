package delivery_test

import (
	"archive/tar"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/inventory"
	"deliver/plan"
	"deliver/rollout"
)

// plansTried is how many deliveries are planned and made; DELIVER_PLANS=500
// tries more.
func plansTried(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("DELIVER_PLANS"))
	if err != nil {
		return 40
	}
	return n
}

// A plan is true: what is done to servers afterwards, seen from here and seen
// in what was run there, is what it said.
func TestARehearsalTellsWhatTheDeliveryDoes(t *testing.T) {
	t.Parallel()
	for seed := range plansTried(t) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			w := newWager(t, uint64(seed))
			before := w.disk()
			forecast, out := w.d.Rehearse(t.Context(), w.build.Brings)
			require.Equal(t, rollout.OK, out.Result, "%v", out.Err)
			require.Equal(t, before, w.disk(), "planning changed something")

			require.Equal(t, rollout.OK, w.deliver().Result, w.said())
			assert.Equal(t, forecast.Course, w.course())
			for _, h := range forecast.Hosts {
				assert.Equal(t, h.Does, w.done[h.Name], "calls of %s", h.Name)
				assert.Equal(t, commands(h.Does), ran(w.read(h.Name, "log")), "commands on %s", h.Name)
			}
		})
	}
}

// wager is a delivery of random settings to servers in random states.
type wager struct {
	*servers
	dice  *rand.Rand
	d     *delivery.Delivery
	build *delivery.Build

	doneMu sync.Mutex
	done   map[string][]plan.Do
}

const (
	restartCommand = "cp version ../../running; echo RESTART >>../../log"
	healthCommand  = "echo HEALTH >>../../log; cmp -s version ../../running"
)

func newWager(t *testing.T, seed uint64) *wager {
	t.Helper()
	w := &wager{dice: rand.New(rand.NewPCG(seed, 7)), done: map[string][]plan.Do{}}
	names := []string{"h1", "h2", "h3", "h4", "h5"}
	w.servers = newServers(t, names[:1+w.dice.IntN(5)]...)
	for _, version := range []string{"v0", "v1"}[:w.dice.IntN(3)] {
		require.Equal(t, rollout.OK, w.push(version).Result)
	}
	hooks := w.serverHooks()
	w.build = app(t, "v2", hooks...)
	w.d = w.delivery(w.build)
	w.d.Package = func(context.Context) (*delivery.Build, error) { return app(t, "v2", hooks...), nil }
	w.d.Run = "the run"
	w.scatter()
	w.settings()
	w.setHooks()
	for _, h := range w.hosts {
		require.NoError(t, os.WriteFile(filepath.Join(w.root(h.Name), "log"), nil, 0o644))
	}
	return w
}

func (w *wager) maybe() bool { return w.dice.IntN(2) == 0 }

// serverHooks are hooks of the release, each of which writes its name down.
func (w *wager) serverHooks() []tar.Header {
	var hooks []tar.Header
	for _, name := range []string{"pre-switch", "post-switch", "post-restart"} {
		if w.maybe() {
			path := ".deliver/hooks/" + name
			hook := file(path, fmt.Sprintf("#!/bin/sh\necho %s >>%s/$HOST/log\n", path, w.dir))
			hook.Mode = 0o755
			hooks = append(hooks, hook)
		}
	}
	return hooks
}

// scatter puts some servers where an earlier run of this delivery left them.
func (w *wager) scatter() {
	for _, h := range w.hosts {
		one := *w.d
		one.Hosts = []inventory.Host{h}
		switch w.dice.IntN(5) {
		case 0:
			require.Equal(w.t, rollout.OK, one.Deliver(w.t.Context()).Result)
		case 1:
			local, err := w.open(w.t.Context(), h)
			require.NoError(w.t, err)
			_, err = local.Receive(w.t.Context(), w.build.Record, compressed(w.t, w.build), nil)
			require.NoError(w.t, err)
		}
	}
}

func (w *wager) settings() {
	if w.maybe() {
		w.d.Order.Mode = plan.Rolling
		w.d.Order.Batch = [...]plan.Sizes{nil, {plan.Count(2)}, {plan.Percent(50)}, {plan.Count(1), plan.Percent(100)}}[w.dice.IntN(4)]
	}
	w.d.Order.Canary = w.dice.IntN(3)
	w.d.App.Keep = w.dice.IntN(3)
	w.d.App.Service = host.Service{Name: "web", Command: restartCommand}
	w.d.App.Health.Command, w.d.App.Health.Rise = healthCommand, 1+w.dice.IntN(2)
	w.d.App.Health.Deadline = 20 * time.Second
	if w.dice.IntN(4) == 0 {
		w.d.App.Service, w.d.App.Health.Command = host.Service{Manager: "none"}, "true"
	}
	if w.dice.IntN(4) == 0 {
		w.d.Action = delivery.Rollback
	}
}

func (w *wager) setHooks() {
	var defined []string
	for _, name := range append(delivery.HookNames(), "drain", "undrain") {
		if w.maybe() {
			defined = append(defined, name)
		}
	}
	w.d.Hooks = delivery.Hooks{
		Has: func(name string) bool { return slices.Contains(defined, name) },
		Call: func(_ context.Context, call delivery.HookCall) error {
			if call.Host == "" {
				return nil
			}
			do := plan.Do{What: call.Name, With: call.Name + " " + call.Args[0]}
			w.note(call.Host, do)
			return appendTo(filepath.Join(w.root(call.Host), "log"), do.With)
		},
	}
}

func (w *wager) note(name string, do plan.Do) {
	w.doneMu.Lock()
	defer w.doneMu.Unlock()
	w.done[name] = append(w.done[name], do)
}

// deliver makes the delivery and writes down what is done.
func (w *wager) deliver() rollout.Outcome {
	w.wrap = func(name string, s host.Server) host.Server {
		return delivery.Watch(s, func(do plan.Do) {
			if do.What == "hook" && !w.build.Brings(filepath.Base(do.With)) {
				return
			}
			w.note(name, do)
		})
	}
	w.mu.Lock()
	w.events = nil
	w.mu.Unlock()
	return w.d.Deliver(w.t.Context())
}

// course is what the events of the delivery say of its order.
func (w *wager) course() []plan.Leg {
	var course []plan.Leg
	for _, e := range w.events {
		switch {
		case e.Kind == rollout.StageStarted:
			course = append(course, plan.Leg{Stage: e.Stage, Hosts: e.Hosts})
		case e.Kind == rollout.StepStarted && e.Host == "":
			course = append(course, plan.Leg{Step: e.Step})
		}
	}
	return course
}

// disk is what all servers have, but for the noise of who only asks.
func (w *wager) disk() map[string]string {
	found := map[string]string{}
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "log" {
			return err
		}
		text, err := os.ReadFile(path)
		if entry.Type()&os.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			text, err = []byte(target), nil
		}
		found[path] = string(text)
		return err
	}))
	for _, h := range w.hosts {
		require.NoError(w.t, os.Truncate(filepath.Join(w.root(h.Name), "log"), 0))
	}
	return found
}

// commands are those of a plan that leave a trace on the server; as in ran, a
// question that is asked again counts once.
func commands(does []plan.Do) []string {
	lines := []string{}
	for _, do := range does {
		switch {
		case do.What == "restart":
			lines = append(lines, strings.Replace(do.With, restartCommand, "RESTART", 1))
		case do.What == "health" && strings.HasPrefix(do.With, healthCommand):
			lines = append(lines, "HEALTH")
		case do.What == "hook", do.What == "drain", do.What == "undrain":
			lines = append(lines, do.With)
		}
	}
	return slices.Compact(lines)
}

// ran is a server's log; a question that is asked again counts once.
func ran(log string) []string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return slices.Compact(slices.DeleteFunc(lines, func(l string) bool { return l == "" }))
}

func appendTo(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, line)
	return err
}
