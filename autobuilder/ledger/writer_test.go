package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"autobuilder/ledger"
)

// Writes that come together share a transaction. One that fails takes no other
// along.
func TestAWriteThatFailsIsAlone(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	var writing errgroup.Group
	for n := range 100 {
		writing.Go(func() error {
			if n%5 != 0 {
				return l.Store(t.Context(), delivery(fmt.Sprint("d", n)))
			}
			err := l.Decide(t.Context(), ledger.Decision{Delivery: fmt.Sprint("unknown", n), Verdict: ledger.Ignored})
			assert.ErrorIs(t, err, ledger.ErrMoved)
			return nil
		})
	}
	require.NoError(t, writing.Wait())
	fates, err := l.Fates(t.Context(), 200)
	require.NoError(t, err)
	assert.Len(t, fates, 80)
}

func TestSeveralDecisionsAreWrittenAllOrNone(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	ignored := func(id string) ledger.Decision { return ledger.Decision{Delivery: id, Verdict: ledger.Ignored} }
	for _, id := range []string{"d1", "d2"} {
		require.NoError(t, l.Store(t.Context(), delivery(id)))
	}
	require.ErrorIs(t, l.Decide(t.Context(), ignored("d1"), ignored("unknown")), ledger.ErrMoved)
	pending, err := l.Pending(t.Context(), "acme/shop")
	require.NoError(t, err)
	assert.Len(t, pending, 2)
	require.NoError(t, l.Decide(t.Context(), ignored("d1"), ignored("d2")))
	pending, err = l.Pending(t.Context(), "acme/shop")
	require.NoError(t, err)
	assert.Empty(t, pending)
}

func TestAClosedLedgerTakesNothing(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.Error(t, l.Store(t.Context(), delivery("d1")))
}
