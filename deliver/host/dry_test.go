package host_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// What a Dry says of the lease is what a delivery would be told.
func TestDryLooksWhoHasTheLease(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	holder, dry := newLocal(t, root), host.NewDry(newLocal(t, root))
	free, err := dry.Claim(t.Context(), host.Claim{Run: "plan", TTL: time.Minute})
	require.NoError(t, err)
	assert.True(t, free.Granted)
	assert.EqualValues(t, 1, free.Lease.Token)

	held, err := holder.Claim(t.Context(), host.Claim{Run: "push", By: "somebody", TTL: time.Minute})
	require.NoError(t, err)
	require.True(t, held.Granted, "the dry one took the lease")
	assert.EqualValues(t, 1, held.Lease.Token)

	refused, err := dry.Claim(t.Context(), host.Claim{Run: "plan", TTL: time.Minute})
	require.NoError(t, err)
	assert.False(t, refused.Granted)
	assert.Equal(t, "somebody", refused.Lease.By)
	over, err := dry.Claim(t.Context(), host.Claim{Run: "plan", TTL: time.Minute, Over: held.Lease.Token})
	require.NoError(t, err)
	assert.True(t, over.Granted)
	assert.EqualValues(t, 2, over.Lease.Token)
	require.NoError(t, dry.Release(t.Context()))
	require.NoError(t, holder.Record(t.Context(), host.Entry{Action: "push", Release: "v1"}), "the lease is the holder's still")
}

// A Dry asks the app that runs, and none that would run by then.
func TestDryAsksWhatRuns(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	local := newLocal(t, root)
	receive(t, root, numbered(t, "v1", 1))
	_, err := local.Switch(t.Context(), "v1", "")
	require.NoError(t, err)
	sick := host.Health{Command: "false", Rise: 1, Interval: time.Millisecond, Timeout: 5 * time.Second, Deadline: time.Second}
	none := host.Service{Manager: "none"}

	dry := host.NewDry(local)
	_, err = dry.Check(t.Context(), sick, none, "v1")
	hosttest.RequireKind(t, err, host.KindBadAnswer)
	require.NoError(t, dry.Restart(t.Context(), none))
	_, err = dry.Check(t.Context(), sick, none, "v1")
	require.NoError(t, err)
}
