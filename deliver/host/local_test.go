package host_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	hosttest.Run(t, func(t *testing.T) (host.Server, string) {
		root := t.TempDir()
		return newLocal(t, root), root
	})
}

func TestClientOverPipe(t *testing.T) {
	t.Parallel()
	hosttest.Run(t, func(t *testing.T) (host.Server, string) {
		root := t.TempDir()
		return newClient(t, root), root
	})
}

func newLocal(t testing.TB, root string) *host.Local {
	t.Helper()
	local, err := host.NewLocal(host.Place{App: "shop", Root: root})
	require.NoError(t, err)
	return local
}
