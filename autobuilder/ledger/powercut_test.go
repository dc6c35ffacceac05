package ledger_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// disk is a file system of its own. What the kernel was only asked to write is
// not on it yet; that comes with a sync, or half a minute later.
type disk struct {
	t     *testing.T
	image string
	dir   string // where it is mounted
}

func newDisk(t *testing.T) disk {
	t.Helper()
	d := disk{t: t, image: filepath.Join(t.TempDir(), "disk")}
	require.NoError(t, os.WriteFile(d.image, nil, 0o600))
	require.NoError(t, os.Truncate(d.image, 16<<20))
	output, err := exec.CommandContext(t.Context(), "mkfs.ext4", "-q", "-F", d.image).CombinedOutput()
	require.NoError(t, err, string(output))
	d.mount()
	return d
}

func (d *disk) mount() {
	d.t.Helper()
	d.dir = d.t.TempDir()
	output, err := exec.CommandContext(d.t.Context(), "mount", "-o", "loop", d.image, d.dir).CombinedOutput()
	require.NoError(d.t, err, string(output))
	d.t.Cleanup(func() {
		output, err := exec.Command("umount", d.dir).CombinedOutput() //nolint:noctx // the test's context has ended
		assert.NoError(d.t, err, string(output))
	})
}

// cut is the disk as it would be found after the power went off now.
func (d *disk) cut() disk {
	d.t.Helper()
	after := disk{t: d.t, image: filepath.Join(d.t.TempDir(), "disk")}
	image, err := os.ReadFile(d.image)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(after.image, image, 0o600))
	after.mount()
	return after
}

func TestWhatIsAcknowledgedSurvivesAPowerCut(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		labtest.Lacks(t, "root, who may mount a disk")
	}
	d := newDisk(t)
	l := open(t, filepath.Join(d.dir, "ledger.db"))
	for n := range 5 {
		id := fmt.Sprint("d", n)
		require.NoError(t, l.Store(t.Context(), delivery(id)))
		after := d.cut()
		found := open(t, filepath.Join(after.dir, "ledger.db"))
		for before := range n + 1 {
			_, err := found.Delivery(t.Context(), fmt.Sprint("d", before))
			assert.NoError(t, err, "after the %dth was acknowledged", n+1)
		}
	}
}
