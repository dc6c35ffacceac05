package delivery_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/delivery"
	"deliver/host"
	"deliver/release"
	"deliver/rollout"
	"deliver/store"
	"deliver/store/storetest"
)

// depotOf is a fleet that gets releases from a store.
type depotOf struct {
	*fleetOf
	*storetest.Gate
	server *storetest.Server
	depot  *delivery.Depot
}

func newDepotOf(t *testing.T, names ...string) *depotOf {
	t.Helper()
	d := &depotOf{fleetOf: newFleetOf(t, names...), server: storetest.Start(t)}
	d.server.Bucket(t, "builds")
	d.Gate = d.server.Gate(t)
	d.depot = &delivery.Depot{Always: true, Store: d.open(t)}
	return d
}

// open opens the store by the gate.
func (d *depotOf) open(t *testing.T) *store.Store {
	t.Helper()
	env := map[string]string{"AWS_ACCESS_KEY_ID": storetest.Key, "AWS_SECRET_ACCESS_KEY": storetest.Secret, "AWS_ENDPOINT_URL": d.Endpoint}
	st, err := store.Open(t.Context(), "s3://builds/web", store.Options{Getenv: func(name string) string { return env[name] }})
	require.NoError(t, err)
	return st
}

// push delivers, and gives the bytes that went to the servers directly.
func (d *depotOf) push(b *delivery.Build) (direct int64) {
	d.t.Helper()
	d.sent.Store(0)
	next := d.delivery(b)
	next.Cache, next.Depot = d.cache, d.depot
	require.Equal(d.t, rollout.OK, next.Deliver(d.t.Context()).Result, d.said())
	return d.sent.Load()
}

// parcels are what lies in the store.
func (d *depotOf) parcels() []string {
	found, err := filepath.Glob(d.server.File("builds", "web/parcels/*"))
	require.NoError(d.t, err)
	return found
}

func TestServersGetTheReleaseFromTheStore(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1", "h2", "h3")
	assert.Zero(t, d.push(large(t, "v1", "one", 1000)))
	assert.Zero(t, d.push(large(t, "v2", "two", 2000)))
	d.runs("v2")
	assert.Empty(t, d.parcels())
	assert.Greater(t, d.Passed(), int64(3*150_000))
	assert.Less(t, d.Passed(), int64(3*250_000), "the second time only what changed")
}

func TestTheStoreIsUsedWhereItSparesMuch(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1", "h2", "h3")
	d.depot.Always = false
	assert.Greater(t, d.push(large(t, "v1", "one", 1000)), int64(3*150_000))
	assert.Zero(t, d.Passed())
}

// lost is a server from which the store is out of reach.
type lost struct{ host.Server }

// Pull is sent to where nobody listens.
func (l lost) Pull(ctx context.Context, rec release.Record, base host.Base, orders host.Orders, progress func(int64)) (host.Receipt, error) {
	return l.Server.Pull(ctx, rec, base, func(lacks []host.Range) (host.Order, error) {
		order, err := orders(lacks)
		_, query, _ := strings.Cut(order.URL, "?")
		order.URL = "http://127.0.0.1:1/parcel?" + query
		return order, err
	}, progress)
}

func TestAServerThatCannotReachTheStoreIsSentTheReleaseDirectly(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1", "h2")
	wrap := d.wrap
	d.wrap = func(name string, s host.Server) host.Server {
		if name == "h2" {
			s = lost{s}
		}
		return wrap(name, s)
	}
	direct := d.push(large(t, "v1", "one", 1000))
	assert.Greater(t, direct, int64(150_000))
	assert.Less(t, direct, int64(2*150_000), "one of both")
	d.runs("v1")
	assert.Contains(t, d.said(), "ship h2 receive get http://127.0.0.1:1/parcel: ")
	assert.Contains(t, d.said(), "sending it directly")
	assert.NotContains(t, d.said(), "Signature", "the address is a secret")
}

// spoiled is a store that spoils what is put there.
type spoiled struct {
	*store.Store
	spoil func(name string)
}

// Deposit spoils.
func (s spoiled) Deposit(ctx context.Context, name string, r io.Reader) error {
	err := s.Store.Deposit(ctx, name, r)
	s.spoil(name)
	return err
}

func TestAByteFlippedInTheStoreIsFound(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1", "h2")
	d.depot.Store = spoiled{d.open(t), func(name string) {
		file := d.server.File("builds", "web/parcels/"+name)
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		content[len(content)/2] ^= 1
		require.NoError(t, os.WriteFile(file, content, 0o600))
	}}
	direct := d.push(large(t, "v1", "one", 1000))
	assert.Positive(t, direct)
	assert.Less(t, direct, int64(2*150_000), "the files around the byte are sent again, not all")
	d.runs("v1")
	assert.Contains(t, d.said(), "what the store gave is not what was put there")
}

func TestAStoreThatTakesNothingHoldsNothingUp(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1", "h2")
	d.Shut()
	d.push(large(t, "v1", "one", 1000))
	d.runs("v1")
	assert.Contains(t, d.said(), "check the endpoint")
}

// bulky is a build of some frames that nothing compresses.
func bulky(t *testing.T, version string) *delivery.Build {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	content := make([]byte, 8<<20)
	var all []string
	for range 3 {
		_, _ = random.Read(content)
		all = append(all, string(content))
	}
	b, err := delivery.Make(t.Context(), fromStdin(pack(t, file("version", version), file("a", all[0]), file("b", all[1]), file("c", all[2]))),
		release.Record{ID: version, App: "web", Version: version})
	require.NoError(t, err)
	return b
}

// storeOnly is a server to which nothing can be sent directly.
type storeOnly struct{ host.Server }

// Update fails.
func (storeOnly) Update(context.Context, release.Record, host.Base, host.Parts, func(int64)) (host.Receipt, error) {
	return host.Receipt{}, &host.Error{Kind: host.KindUnreachable, Message: "the connection broke"}
}

func TestADeliveryThatWasCutPullsTheRest(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1")
	d.wrap = func(_ string, s host.Server) host.Server { return storeOnly{s} }
	first := d.delivery(bulky(t, "v1"))
	first.Depot = d.depot
	d.ShutAfter(18 << 20)
	require.NotEqual(t, rollout.OK, first.Deliver(t.Context()).Result)
	d.runs("")

	d.Gate = d.server.Gate(t)
	d.depot.Store = d.open(t)
	d.push(bulky(t, "v1"))
	d.runs("v1")
	assert.Less(t, d.Passed(), int64(18<<20), "what came whole does not come again")
}

func TestAParcelThatWasLeftBehindIsRemovedLater(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1")
	require.NoError(t, d.open(t).Deposit(t.Context(), "left", strings.NewReader("x")))
	require.NoError(t, d.open(t).Deposit(t.Context(), "used", strings.NewReader("x")))
	old := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(d.server.File("builds", "web/parcels/left"), old, old))
	d.push(large(t, "v1", "one", 1000))
	assert.Equal(t, []string{d.server.File("builds", "web/parcels/used")}, d.parcels())
}

// install is a delivery of what the store has.
func (d *depotOf) install(t *testing.T, b *delivery.Build) rollout.Outcome {
	t.Helper()
	st := d.open(t)
	_, err := st.Publish(t.Context(), b.Record, b.Tar, nil)
	require.NoError(t, err)
	require.NoError(t, st.PutIndex(t.Context(), b.Record.ID, b.Index))
	index, err := st.Index(t.Context(), b.Record.ID)
	require.NoError(t, err)
	here, err := delivery.Outline(b.Record, index, st.Archive(t.Context(), b.Record))
	require.NoError(t, err)
	return d.delivery(here).Deliver(t.Context())
}

func TestAMachineWithAnOlderReleaseInstallsWhatChanged(t *testing.T) {
	t.Parallel()
	d := newDepotOf(t, "h1")
	require.Equal(t, rollout.OK, d.install(t, large(t, "v1", "one", 1000)).Result, d.said())
	before := d.Passed()
	assert.Greater(t, before, int64(400_000))
	require.Equal(t, rollout.OK, d.install(t, large(t, "v2", "two", 2000)).Result, d.said())
	d.runs("v2")
	assert.Less(t, d.Passed()-before, int64(100_000), "the index, the changed file, and what is read ahead")
}
