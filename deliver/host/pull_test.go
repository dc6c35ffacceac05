package host_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
	"deliver/store"
	"deliver/store/storetest"
)

// depot is a store with the stream of a tree in it, behind a gate.
type depot struct {
	*storetest.Gate
	server *storetest.Server
	store  *store.Store
	size   int64
}

func newDepot(t *testing.T, tree hosttest.Tree, base *hosttest.Tree) *depot {
	t.Helper()
	d := &depot{server: storetest.Start(t)}
	d.server.Bucket(t, "builds")
	d.Gate = d.server.Gate(t)
	env := map[string]string{"AWS_ACCESS_KEY_ID": storetest.Key, "AWS_SECRET_ACCESS_KEY": storetest.Secret, "AWS_ENDPOINT_URL": d.Endpoint}
	var err error
	d.store, err = store.Open(t.Context(), "s3://builds/shop", store.Options{Getenv: func(name string) string { return env[name] }})
	require.NoError(t, err)
	stream, err := tree.Parts(t, base)(nil)
	require.NoError(t, err)
	content, err := io.ReadAll(stream)
	require.NoError(t, err)
	d.size = int64(len(content))
	require.NoError(t, d.store.Deposit(t.Context(), "stream", bytes.NewReader(content)))
	return d
}

// file is where the stream lies.
func (d *depot) file() string { return d.server.File("builds", "shop/parcels/stream") }

// sign is an address of the stream.
func (d *depot) sign(t *testing.T, valid time.Duration) string {
	t.Helper()
	url, err := d.store.Presign(t.Context(), "stream", valid)
	require.NoError(t, err)
	return url
}

// orders are for the whole stream.
func (d *depot) orders(t *testing.T) host.Orders {
	url := d.sign(t, time.Minute)
	return func(lacks []host.Range) (host.Order, error) {
		assert.Nil(t, lacks)
		return host.Order{URL: url, Pieces: []host.Piece{{To: d.size}}}, nil
	}
}

// bulky is a tree of three frames that nothing compresses.
func bulky(t *testing.T, id string) hosttest.Tree {
	t.Helper()
	noise := rand.NewChaCha8([32]byte{1})
	var items []hosttest.Item
	for _, name := range []string{"a", "b", "c"} {
		content := make([]byte, 8<<20)
		_, _ = noise.Read(content)
		items = append(items, hosttest.File(name, string(content)))
	}
	return hosttest.Grow(t, id, hosttest.Tar(t, items...))
}

func TestAServerGetsAReleaseFromTheStore(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := newClient(t, root)
	one := hosttest.Grow(t, "one", hosttest.Tar(t, stamped(1000, manyFiles("one")...)...))
	two := hosttest.Grow(t, "two", hosttest.Tar(t, stamped(2000, manyFiles("two")...)...))

	d := newDepot(t, one, nil)
	receipt, err := s.Pull(t.Context(), one.Record, host.Base{}, d.orders(t), nil)
	require.NoError(t, err)
	assert.Equal(t, d.size, receipt.Bytes)
	requireSameTree(t, root, one)

	d = newDepot(t, two, &one)
	_, err = s.Pull(t.Context(), two.Record, one.Base(), d.orders(t), nil)
	require.NoError(t, err)
	requireSameTree(t, root, two)
}

func TestAPullGoesOnWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := newClient(t, root)
	tree := bulky(t, "one")
	d := newDepot(t, tree, nil)
	before := d.Passed()
	d.CutAfter(10 << 20)
	receipt, err := s.Pull(t.Context(), tree.Record, host.Base{}, d.orders(t), nil)
	require.NoError(t, err)
	assert.Equal(t, d.size, receipt.Bytes)
	requireSameTree(t, root, tree)
	assert.Less(t, d.Passed()-before, d.size+(1<<20), "what came before the break does not come again")
}

// TestWhatTheStoreDoesNotGiveIsSentDirectly has the store fail in the ways that it
// can, and then the same release come directly.
func TestWhatTheStoreDoesNotGiveIsSentDirectly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		strike func(t *testing.T, d *depot) string // gives the address
		kind   host.Kind
		says   string
		direct int64 // most bytes that come then
	}{
		"it dies": {func(t *testing.T, d *depot) string {
			d.ShutAfter(17 << 20)
			return d.sign(t, time.Minute)
		}, host.KindStore, "connect", 17 << 20},
		"it is out of reach": {func(t *testing.T, d *depot) string {
			url := d.sign(t, time.Minute)
			d.Shut()
			return url
		}, host.KindStore, "connect", 26 << 20},
		"the address has expired": {func(t *testing.T, d *depot) string {
			url := d.sign(t, time.Second)
			require.Eventually(t, func() bool {
				answer, err := http.Get(url) //nolint:noctx,gosec // until it has
				require.NoError(t, err)
				answer.Body.Close()
				return answer.StatusCode == http.StatusForbidden
			}, 20*time.Second, 50*time.Millisecond)
			return url
		}, host.KindStore, "403", 26 << 20},
		"it is gone": {func(t *testing.T, d *depot) string {
			require.NoError(t, d.store.Withdraw(t.Context(), "stream"))
			return d.sign(t, time.Minute)
		}, host.KindStore, "404", 26 << 20},
		"a byte is flipped": {func(t *testing.T, d *depot) string {
			content, err := os.ReadFile(d.file())
			require.NoError(t, err)
			content[20<<20] ^= 1
			require.NoError(t, os.WriteFile(d.file(), content, 0o600))
			return d.sign(t, time.Minute)
		}, host.KindDigest, "damaged", 17 << 20},
		"it is cut": {func(t *testing.T, d *depot) string {
			require.NoError(t, os.Truncate(d.file(), 20<<20))
			return d.sign(t, time.Minute)
		}, host.KindStore, "get http", 17 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			s := newClient(t, root)
			tree := bulky(t, "one")
			d := newDepot(t, tree, nil)
			url := c.strike(t, d)
			order := host.Order{URL: url, Pieces: []host.Piece{{To: d.size}}}
			_, err := s.Pull(t.Context(), tree.Record, host.Base{}, func([]host.Range) (host.Order, error) { return order, nil }, nil)
			hosttest.RequireKind(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "Signature", "the address is a secret")
			assert.NoDirExists(t, root+"/releases/one")

			receipt, err := s.Update(t.Context(), tree.Record, host.Base{}, tree.Parts(t, nil), nil)
			require.NoError(t, err)
			assert.Less(t, receipt.Bytes, c.direct)
			requireSameTree(t, root, tree)
		})
	}
}

func TestAnOrderThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]host.Order{
		"no address":    {URL: "secret", Pieces: []host.Piece{{To: 1}}},
		"backwards":     {URL: "http://127.0.0.1:1/secret", Pieces: []host.Piece{{From: 2, To: 1}}},
		"before it all": {URL: "http://127.0.0.1:1/secret", Pieces: []host.Piece{{From: -2, To: 1}}},
	} {
		s := newClient(t, t.TempDir())
		tree := hosttest.Grow(t, "one", hosttest.Tar(t, hosttest.File("a", "a")))
		_, err := s.Pull(t.Context(), tree.Record, host.Base{}, func([]host.Range) (host.Order, error) { return order, nil }, nil)
		hosttest.RequireKind(t, err, host.KindProtocol)
		assert.NotContains(t, err.Error(), "secret", name)
	}
}
