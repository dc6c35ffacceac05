package ledger_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

func TestSearchFindsWhatAWordMeans(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	for id, p := range map[string]build.Push{
		"d1": {Repo: "acme/shop", Ref: "refs/heads/master", Commit: "0123456789abcdef", Pusher: "ada"},
		"d2": {Repo: "acme/shop", Ref: "refs/tags/v1.2.0", Commit: "0123456789abcdef", Pusher: "ada"},
		"d3": {Repo: "acme/billing", Ref: "refs/tags/v1.10.0", Commit: "fedcba9876543210", Pusher: "Grace"},
		"d4": {Repo: "other/shop", Ref: "refs/heads/topic_1", Pusher: "joan"},
	} {
		require.NoError(t, l.Store(t.Context(), build.Delivery{ID: id, Event: "push", Received: noon, Push: p}))
	}
	built(t, l, aBuild("b1", "c1"))
	for word, want := range map[string][]string{
		"0123": {"d1", "d2"}, "0123456789ABCDEF": {"d1", "d2"}, "012": nil, "v1": {"d2", "d3"}, "refs/tags/v1.10.0": {"d3"}, " v1.2.0 ": {"d2"},
		"master": {"d1", "for b1"}, "acme/shop": {"d1", "d2", "for b1"}, "ACME/Billing": {"d3"}, "shop": {"d1", "d2", "d4", "for b1"}, "grace": {"d3"},
		"d4": {"d4"}, "b1": {"for b1"}, "%": nil, "_": nil, "topic_": {"d4"}, "' OR 1=1 --": nil, "": {"d1", "d2", "d3", "d4", "for b1"},
	} {
		found, err := l.Search(t.Context(), word, 10)
		require.NoError(t, err, word)
		var ids []string
		for _, f := range found {
			ids = append(ids, f.Delivery)
		}
		assert.ElementsMatch(t, want, ids, word)
	}
	found, err := l.Search(t.Context(), "acme/shop", 1)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, "for b1", found[0].Delivery, "the newest first")
}

func TestOlderBuilds(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	for n := range 5 {
		built(t, l, aBuild(fmt.Sprint("b", n), fmt.Sprint("c", n)))
	}
	older, err := l.Older(t.Context(), "shop", "b3", 2)
	require.NoError(t, err)
	require.Len(t, older, 2)
	assert.Equal(t, []string{"b2", "b1"}, []string{older[0].ID, older[1].ID})
	older, err = l.Older(t.Context(), "shop", "nothing", 2)
	require.NoError(t, err)
	assert.Empty(t, older)
}

// Version tells of what another process writes, too.
func TestVersionChangesWithEveryWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, other := open(t, path), open(t, path)
	last, err := l.Version(t.Context())
	require.NoError(t, err)
	same, err := l.Version(t.Context())
	require.NoError(t, err)
	assert.Equal(t, last, same)
	for i, writer := range []*ledger.Ledger{l, other} {
		require.NoError(t, writer.Store(t.Context(), delivery(fmt.Sprint("d", i))))
		now, err := l.Version(t.Context())
		require.NoError(t, err)
		assert.NotEqual(t, last, now)
		last = now
	}
}

func TestARolloutKeepsItsHostsAndItsArchive(t *testing.T) {
	t.Parallel()
	l := fresh(t)
	r := build.Rollout{
		Run: "r1", Build: "b1", Project: "shop", Environment: "production", Action: "push", Release: "jenkins-shop-1", Started: noon,
		SHA256: "abc", Size: 42, Hosts: []build.Host{{Host: "web-1", Stages: []build.Stage{{Name: "ship", State: "doing"}}}},
	}
	require.NoError(t, l.Rollout(t.Context(), r))
	r.Result, r.Ended, r.Hosts = "ok", noon, []build.Host{{Host: "web-1", Result: "ok", Took: 1.5, Stages: []build.Stage{{Name: "ship", State: "done", Took: 1.5}}}}
	require.NoError(t, l.Rollout(t.Context(), r))
	late := r
	late.Result, late.Hosts = "", nil
	require.NoError(t, l.Rollout(t.Context(), late), "what comes after the end changes nothing")
	found, err := l.RolloutsOf(t.Context(), "b1")
	require.NoError(t, err)
	assert.Equal(t, []build.Rollout{r}, found)
	names, err := l.Environments(t.Context(), "shop")
	require.NoError(t, err)
	assert.Equal(t, []string{"production"}, names)
}
