package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"autobuilder/build"
	"autobuilder/ledger"
)

// acknowledgerVar makes of the test's program one that stores deliveries in the
// ledger that it names, and prints each ID once it is told that it is kept.
const acknowledgerVar = "AUTOBUILDER_TEST_ACKNOWLEDGER"

func TestMain(m *testing.M) {
	if path := os.Getenv(acknowledgerVar); path != "" {
		os.Exit(acknowledge(path))
	}
	os.Exit(m.Run())
}

func acknowledge(path string) int {
	l, err := ledger.Open(context.Background(), path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var senders errgroup.Group
	for sender := range 8 { // together, so that several are written at once
		senders.Go(func() error {
			for i := 0; ; i++ {
				d := delivery(fmt.Sprintf("%d-%d-%d", os.Getpid(), sender, i))
				d.Body = make([]byte, 8<<10)
				if err := l.Store(context.Background(), d); err != nil {
					return err
				}
				fmt.Fprintln(os.Stdout, d.ID)
			}
		})
	}
	fmt.Fprintln(os.Stderr, senders.Wait())
	return 1
}

func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	var acknowledged []string
	for round := range 10 {
		acknowledged = append(acknowledged, storeAndKill(t, path, 5+7*round)...)
	}

	l := open(t, path)
	for _, id := range acknowledged {
		_, err := l.Delivery(t.Context(), id)
		assert.NoError(t, err)
	}
	pending, err := l.Pending(t.Context(), "acme/shop")
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(pending), len(acknowledged))
	require.NoError(t, l.Decide(t.Context(), ledger.Decision{
		Delivery: acknowledged[0], Verdict: ledger.Built, Build: "b1", Add: []build.Build{aBuild("b1", "c1")},
	}))
}

// storeAndKill lets a process store deliveries, kills it with SIGKILL after so
// many, and gives the IDs that it had acknowledged.
func storeAndKill(t *testing.T, path string, after int) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), acknowledgerVar+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		ids = append(ids, lines.Text())
		if len(ids) == after {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait(), "it was killed")
	require.GreaterOrEqual(t, len(ids), after)
	return ids
}
