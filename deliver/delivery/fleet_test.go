package delivery_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	"deliver/release"
	"deliver/rollout"
)

// servers is a fleet of directories of this machine. The app that runs on them
// is a file: a restart copies the release's version into it and notes itself,
// and it is well unless its server holds a file poison-VERSION.
type servers struct {
	t     *testing.T
	dir   string
	hosts []inventory.Host

	mu     sync.Mutex
	events []rollout.Event
	wrap   func(name string, s host.Server) host.Server
	down   map[string]error
}

func newServers(t *testing.T, names ...string) *servers {
	t.Helper()
	s := &servers{t: t, dir: t.TempDir(), down: map[string]error{}}
	for _, name := range names {
		s.hosts = append(s.hosts, inventory.Host{Name: name})
		require.NoError(t, os.MkdirAll(s.root(name), 0o755))
	}
	return s
}

func (s *servers) root(name string) string { return filepath.Join(s.dir, name) }

func (s *servers) place(name string) host.Place {
	return host.Place{App: "web", Root: s.root(name)}
}

func (s *servers) open(_ context.Context, h inventory.Host) (host.Server, error) {
	if err := s.down[h.Name]; err != nil {
		return nil, err
	}
	local, err := host.NewLocal(s.place(h.Name))
	if err != nil || s.wrap == nil {
		return local, err
	}
	return s.wrap(h.Name, local), nil
}

// delivery is a push of this build with usual settings.
func (s *servers) delivery(b *delivery.Build) *delivery.Delivery {
	return &delivery.Delivery{
		Run: "run-" + b.Record.ID, Action: delivery.Push, By: "tests", Hosts: s.hosts, Record: b.Record, Open: s.open,
		Package: func(context.Context) (*delivery.Build, error) { return b, nil },
		App: delivery.App{
			Place:   host.Place{App: "web", Root: s.dir},
			Service: host.Service{Name: "web", Command: "cp version ../../running && cat version >>../../restarts"},
			Health: host.Health{
				Command: "cmp -s version ../../running && test ! -e ../../poison-$(cat version)",
				Rise:    1, Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Deadline: time.Second,
			},
			Keep: 3,
		},
		Listen: s.listen,
	}
}

func (s *servers) listen(e rollout.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// said is everything that the runs told so far, line by line.
func (s *servers) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.events {
		lines = append(lines, strings.Join([]string{e.Stage, e.Host, e.Step, e.Text, e.Error}, " "))
	}
	return strings.Join(lines, "\n")
}

func (s *servers) push(version string) rollout.Outcome {
	s.t.Helper()
	return s.delivery(app(s.t, version)).Deliver(s.t.Context())
}

// runs asserts what each server runs; "" is nothing.
func (s *servers) runs(version string, names ...string) {
	s.t.Helper()
	if len(names) == 0 {
		for _, h := range s.hosts {
			names = append(names, h.Name)
		}
	}
	for _, name := range names {
		current, err := os.Readlink(filepath.Join(s.root(name), "current"))
		if version == "" {
			assert.ErrorIs(s.t, err, os.ErrNotExist, name)
			continue
		}
		assert.Equal(s.t, "releases/"+version, current, name)
		assert.Equal(s.t, version, s.read(name, "running"), name)
	}
}

func (s *servers) read(name, file string) string {
	data, err := os.ReadFile(filepath.Join(s.root(name), file))
	if err != nil {
		return ""
	}
	return string(data)
}

func (s *servers) poison(name, version string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.root(name), "poison-"+version), nil, 0o600))
}

// history is a server's, as "result release".
func (s *servers) history(name string) []string {
	s.t.Helper()
	local, err := host.NewLocal(s.place(name))
	require.NoError(s.t, err)
	state, err := local.Look(s.t.Context(), host.Service{})
	require.NoError(s.t, err)
	var lines []string
	for _, e := range state.History {
		lines = append(lines, e.Result+" "+e.Release)
	}
	return lines
}

// app is a build of the test app; more entries may be added.
func app(t *testing.T, version string, more ...tar.Header) *delivery.Build {
	t.Helper()
	entries := append([]tar.Header{file("version", version)}, more...)
	b, err := delivery.Make(t.Context(), fromStdin(pack(t, entries...)), release.Record{ID: version, App: "web", Version: version})
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func results(o rollout.Outcome) map[string]rollout.HostResult {
	found := map[string]rollout.HostResult{}
	for _, h := range o.Hosts {
		found[h.Host.Name] = h.Result
	}
	return found
}

func TestFirstAndSecondDelivery(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	for _, version := range []string{"v1", "v2"} {
		out := s.push(version)
		require.Equal(t, rollout.OK, out.Result, "%v\n%s", out.Err, s.said())
		s.runs(version)
	}
	assert.Equal(t, []string{"healthy v1", "healthy v2"}, s.history("h2"))
}

func TestABadReleaseIsTakenBackEverywhere(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	s.poison("h2", "v2")
	out := s.push("v2")
	assert.Equal(t, rollout.RolledBack, out.Result)
	s.runs("v1")
	assert.Equal(t, "rolled back v2", s.history("h2")[1])
	for name, result := range results(out) {
		assert.Equal(t, rollout.HostRolledBack, result, name)
	}
}

func TestTheOtherServersOfARollingDeliveryAreNotTouched(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	s.poison("h1", "v2")
	d := s.delivery(app(t, "v2"))
	d.Order = plan.Order{Mode: plan.Rolling}
	out := d.Deliver(t.Context())
	assert.Equal(t, rollout.RolledBack, out.Result)
	s.runs("v1")
	assert.Equal(t, "v1v2v1", s.read("h1", "restarts"))
	for _, name := range []string{"h2", "h3"} {
		assert.Equal(t, rollout.HostUntouched, results(out)[name])
		assert.Equal(t, "v1", s.read(name, "restarts"))
		assert.Equal(t, []string{"healthy v1"}, s.history(name))
	}
}

// A release that was well on the first server and is not when the last has it
// is no success.
func TestAReleaseThatFailsAfterItsCheckIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	d := s.delivery(app(t, "v2"))
	d.Order = plan.Order{Mode: plan.Rolling}
	d.Listen = func(e rollout.Event) {
		if e.Kind == rollout.StageStarted && e.Stage == "switch 3/3" {
			s.poison("h1", "v2")
		}
		s.listen(e)
	}
	d.App.Health.Deadline = time.Second
	out := d.Deliver(t.Context())
	assert.Equal(t, rollout.RolledBack, out.Result)
	s.runs("v1")
	assert.Equal(t, []string{"healthy v1", "healthy v2", "rolled back v2"}, s.history("h1"))
	assert.Equal(t, rollout.StageVerify, out.Hosts[0].Stage)
}

func TestABadFirstDeliveryLeavesNoCurrent(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	s.poison("h1", "v1")
	out := s.push("v1")
	assert.Equal(t, rollout.RolledBack, out.Result, "%v", out.Err)
	s.runs("")
	assert.Contains(t, s.said(), "nothing ran here before")
}

func TestAServerThatCannotGoBackIsNamed(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	s.poison("h1", "v1")
	s.poison("h1", "v2")
	out := s.push("v2")
	assert.Equal(t, rollout.Failed, out.Result)
	assert.Equal(t, rollout.HostUndoFailed, results(out)["h1"])
	assert.Equal(t, rollout.HostRolledBack, results(out)["h2"])
}

func TestDeliveringAgainCostsNothing(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	d := s.delivery(app(t, "v1"))
	d.Package = func(context.Context) (*delivery.Build, error) {
		t.Error("the build was asked for")
		return nil, os.ErrNotExist
	}
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result)
	assert.Equal(t, "v1", s.read("h1", "restarts"))
	assert.Equal(t, []string{"healthy v1"}, s.history("h1"))
}

func TestWhatAKilledRunLeftConverges(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *servers, local *host.Local, b *delivery.Build){
		"shipped": func(*servers, *host.Local, *delivery.Build) {},
		"switched, not restarted": func(s *servers, local *host.Local, b *delivery.Build) {
			_, err := local.Switch(s.t.Context(), b.Record.ID, "")
			require.NoError(s.t, err)
		},
		"restarted, not written down": func(s *servers, local *host.Local, b *delivery.Build) {
			_, err := local.Switch(s.t.Context(), b.Record.ID, "")
			require.NoError(s.t, err)
			require.NoError(s.t, local.Restart(s.t.Context(), s.delivery(b).App.Service))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, "h1", "h2")
			require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
			b := app(t, "v2")
			local, err := host.NewLocal(s.place("h1"))
			require.NoError(t, err)
			_, err = local.Receive(t.Context(), b.Record, compressed(t, b), nil)
			require.NoError(t, err)
			prepare(s, local, b)

			require.Equal(t, rollout.OK, s.push("v2").Result, s.said())
			s.runs("v2")
			assert.Equal(t, []string{"healthy v1", "healthy v2"}, s.history("h1"))
			assert.Equal(t, "v1v2", s.read("h1", "restarts"))
		})
	}
}

func TestAReleaseThatWasCutAndIsBadGoesBackToTheLastGoodOne(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	b := app(t, "v2")
	local, err := host.NewLocal(s.place("h1"))
	require.NoError(t, err)
	_, err = local.Receive(t.Context(), b.Record, compressed(t, b), nil)
	require.NoError(t, err)
	_, err = local.Switch(t.Context(), "v2", "")
	require.NoError(t, err)
	s.poison("h1", "v2")
	assert.Equal(t, rollout.RolledBack, s.push("v2").Result)
	s.runs("v1")
}

func TestAServerThatIsDown(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	s.down["h2"] = &host.Error{Kind: host.KindUnreachable, Message: "connection refused"}
	out := s.push("v2")
	assert.Equal(t, rollout.Failed, out.Result)
	s.runs("v1")

	d := s.delivery(app(t, "v3"))
	d.Limits.MaxUnreachable = plan.Count(1)
	out = d.Deliver(t.Context())
	assert.Equal(t, rollout.Partial, out.Result)
	s.runs("v3", "h1", "h3")
	s.runs("v1", "h2")
}

func TestPreflightRefusesWhatCannotGoWell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(d *delivery.Delivery)
		says   string
	}{
		"no space": {func(d *delivery.Delivery) { d.Record.Size = 1 << 60 }, "MB free; the release needs"},
		"no inodes": {func(d *delivery.Delivery) {
			open := d.Open
			d.Open = func(ctx context.Context, h inventory.Host) (host.Server, error) {
				server, err := open(ctx, h)
				return sick{Server: server, state: func(s *host.State) { s.FreeInodes = 0 }}, err
			}
		}, "0 inodes free"},
		"no service": {func(d *delivery.Delivery) { d.App.Service.Command = "" }, `knows no service "web"`},
		"wrong manager": {func(d *delivery.Delivery) {
			d.App.Service = host.Service{Manager: "runit", Name: "web"}
		}, `knows no service`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServers(t, "h1", "h2")
			d := s.delivery(app(t, "v1"))
			c.change(d)
			out := d.Deliver(t.Context())
			assert.Equal(t, rollout.Failed, out.Result)
			for _, h := range out.Hosts {
				assert.Equal(t, "look", h.Step)
				assert.ErrorContains(t, h.Err, c.says)
			}
			assert.NoDirExists(t, filepath.Join(s.root("h1"), "releases"))
		})
	}
}

func TestABuildForOtherMachinesIsNotShipped(t *testing.T) {
	t.Parallel()
	elf := append([]byte("\x7fELF\x02\x02\x01"), make([]byte, 11)...) // big endian, for s390x
	elf = append(elf, 0, 22)
	s := newServers(t, "h1")
	out := s.delivery(app(t, "v1", tar.Header{Name: "bin", Mode: 0o755, Uname: string(elf)})).Deliver(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	assert.ErrorContains(t, out.Hosts[0].Err, "s390x")
	assert.NoDirExists(t, filepath.Join(s.root("h1"), "releases", "v1"))
}

func TestAnIDIsOneBuildForEver(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	out := s.delivery(app(t, "v1", file("more", "x"))).Deliver(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	var refused *host.Error
	require.ErrorAs(t, out.Hosts[0].Err, &refused)
	assert.Equal(t, host.KindDigest, refused.Kind)
	s.runs("v1")
}

func TestAServerWithoutAServiceMayBeBare(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	d := s.delivery(app(t, "v1"))
	d.App.Service.Command, d.App.Bare, d.App.Health = "", true, host.Health{}
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result, s.said())
	assert.Empty(t, s.read("h1", "restarts"))
}

func TestOldReleasesArePruned(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	for n := range 5 {
		require.Equal(t, rollout.OK, s.push(fmt.Sprintf("v%d", n)).Result)
	}
	left, err := os.ReadDir(filepath.Join(s.root("h1"), "releases"))
	require.NoError(t, err)
	assert.Len(t, left, 3)
	assert.Contains(t, s.said(), "h1: removed v1")
}

func TestAReleaseThatIsNowhere(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	d := s.delivery(app(t, "v1"))
	d.Package = nil
	out := d.Deliver(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	assert.ErrorContains(t, out.Hosts[0].Err, "set STORE")
}

func TestTheBuildIsMadeOnceForAll(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2", "h3", "h4")
	b := app(t, "v1")
	d := s.delivery(b)
	asked := 0
	d.Package = func(context.Context) (*delivery.Build, error) { asked++; return b, nil }
	require.Equal(t, rollout.OK, d.Deliver(t.Context()).Result)
	assert.Equal(t, 1, asked)
}

// sick is a server that fails in places.
type sick struct {
	host.Server
	state   func(*host.State)
	receive func(context.Context) error
	record  error
}

// Look shows the state that it is told to.
func (s sick) Look(ctx context.Context, service host.Service) (host.State, error) {
	state, err := s.Server.Look(ctx, service)
	if s.state != nil {
		s.state(&state)
	}
	return state, err
}

// Update fails as it is told to.
func (s sick) Update(ctx context.Context, rec release.Record, base host.Base, parts host.Parts, progress func(int64)) (host.Receipt, error) {
	if s.receive != nil {
		if err := s.receive(ctx); err != nil {
			return host.Receipt{}, err
		}
	}
	return s.Server.Update(ctx, rec, base, parts, progress)
}

// Record fails as it is told to.
func (s sick) Record(ctx context.Context, e host.Entry) error {
	if s.record != nil {
		return s.record
	}
	return s.Server.Record(ctx, e)
}

func TestAnInterruptedShipChangesNothing(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	require.Equal(t, rollout.OK, s.push("v1").Result, s.said())
	ctx, interrupt := context.WithCancel(t.Context())
	s.wrap = func(name string, server host.Server) host.Server {
		return sick{Server: server, receive: func(ctx context.Context) error {
			if name == "h1" {
				return nil
			}
			interrupt()
			<-ctx.Done()
			return ctx.Err()
		}}
	}
	out := s.delivery(app(t, "v2")).Deliver(ctx)
	assert.Equal(t, rollout.Interrupted, out.Result)
	s.runs("v1")
	s.wrap = nil
	require.Equal(t, rollout.OK, s.push("v2").Result)
	s.runs("v2")
}

func TestAHistoryThatCannotBeWrittenTakesNothingBack(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1")
	s.wrap = func(_ string, server host.Server) host.Server {
		return sick{Server: server, record: errors.New("no space left")}
	}
	assert.Equal(t, rollout.OK, s.push("v1").Result)
	s.runs("v1")
	assert.Contains(t, s.said(), "the history could not be written: no space left")
}

// compressed is a build as a server receives it whole.
func compressed(t *testing.T, b *delivery.Build) io.Reader {
	t.Helper()
	plain, err := b.Tar()
	require.NoError(t, err)
	defer plain.Close()
	content, err := io.ReadAll(plain)
	require.NoError(t, err)
	return bytes.NewReader(zstded(t, content))
}
