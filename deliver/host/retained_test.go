package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// threeReleases are made one of another; the last one is current.
func threeReleases(t *testing.T, local *host.Local) []hosttest.Tree {
	t.Helper()
	var trees []hosttest.Tree
	var last *hosttest.Tree
	for n := range 3 {
		items := append(manyFiles(fmt.Sprint(n)), hosttest.HardLink("d/another", "d/7"))
		tree := hosttest.Grow(t, fmt.Sprint("v", n+1), hosttest.Tar(t, stamped(int64(n), items...)...))
		update(t, local, last, tree)
		trees, last = append(trees, tree), &tree
	}
	_, err := local.Switch(t.Context(), "v3", "")
	require.NoError(t, err)
	return trees
}

func forgotten(t *testing.T, local *host.Local, id string) []string {
	t.Helper()
	names, err := local.Forgotten(id)
	require.NoError(t, err)
	return names
}

func TestWhatIsSharedIsKnownThroughAnyRelease(t *testing.T) {
	t.Parallel()
	local := newLocal(t, memoryDir(t))
	for _, tree := range threeReleases(t, local) {
		assert.Empty(t, forgotten(t, local, tree.Record.ID))
	}
}

func TestPruningLeavesTheFilesKnown(t *testing.T) {
	t.Parallel()
	root := memoryDir(t)
	local := newLocal(t, root)
	trees := threeReleases(t, local)
	changed := filepath.Join(root, "releases/v3/d/9")
	rewrite(t, changed, func(content []byte) []byte { content[0] ^= 1; return content })
	require.NoError(t, os.Chtimes(changed, time.Unix(0, 0), time.Unix(0, 0)))
	removed, err := local.Prune(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{"v1"}, removed)
	assert.Equal(t, []string{"d/9"}, forgotten(t, local, "v3"), "what was changed by hand, and nothing else")
	next := hosttest.Grow(t, "v4", hosttest.Tar(t, stamped(9, manyFiles("four")...)...))
	completed(t, local, trees[2], next)
	requireSameTree(t, root, next)
}
