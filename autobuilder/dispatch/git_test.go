package dispatch_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"autobuilder/dispatch"
)

func TestRefsOfARepository(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.commit("one")
	s.tag("v1.0.0") // an object of its own
	s.git("-C", s.tree, "tag", "light")
	two := s.commit("two")
	s.git("-C", s.tree, "branch", "feature/x")
	s.publish("--all")
	s.publish("--tags")
	refs, err := s.options.Git.Refs(t.Context(), s.repo)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"master": two, "feature/x": two}, refs.Heads)
	assert.Equal(t, map[string]string{"v1.0.0": one, "light": one}, refs.Tags)
	assert.ElementsMatch(t, []string{"v1.0.0", "light"}, refs.TagsOf(one))
	assert.Empty(t, refs.TagsOf(two))
}

func TestRefsOfAnEmptyRepository(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	refs, err := s.options.Git.Refs(t.Context(), s.repo)
	require.NoError(t, err)
	assert.Empty(t, refs.Heads)
	assert.Empty(t, refs.Tags)
}

func TestARepositoryThatIsNotThere(t *testing.T) {
	t.Parallel()
	gone := filepath.Join(t.TempDir(), "gone")
	_, err := dispatch.Git{}.Refs(t.Context(), gone)
	require.ErrorContains(t, err, "git ls-remote: exit status 128: fatal: '"+gone+"'")
	assert.NotContains(t, err.Error(), "\n", "one line, for the log and the page")
}

func TestAURLIsNoOption(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "made")
	_, err := dispatch.Git{}.Refs(t.Context(), "--upload-pack=touch "+file)
	require.Error(t, err)
	_, err = os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAServerThatSaysNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	mute, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer mute.Close()
	_, err = dispatch.Git{Timeout: 300 * time.Millisecond}.Refs(t.Context(), "git://"+mute.Addr().String()+"/shop")
	require.EqualError(t, err, "git ls-remote: no answer within 300ms")
}

func TestAnEndedContextEndsGit(t *testing.T) {
	t.Parallel()
	mute, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer mute.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := mute.Accept(); err == nil {
			cancel()
			c.Close()
		}
	}()
	_, err = dispatch.Git{}.Refs(ctx, "git://"+mute.Addr().String()+"/shop")
	require.Error(t, err)
}

// contains asks as a decision does.
func contains(ctx context.Context, git dispatch.Git, url, branch, commit string) (bool, error) {
	if err := git.Fetch(ctx, "shop", url, branch); err != nil {
		return false, err
	}
	return git.Contains(ctx, "shop", branch, commit)
}

func TestAHistoryThatIsGoneIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.commit("one")
	s.publish("master")
	_, err := s.options.Git.Contains(t.Context(), "shop", "master", one)
	require.Error(t, err, "to say no would drop a push")
}

func TestWhichCommitsABranchContains(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.commit("one")
	two := s.commit("two")
	s.publish("master")
	s.git("-C", s.tree, "checkout", "--quiet", "-b", "topic", one)
	aside := s.commit("aside")
	s.publish("topic")
	git := s.options.Git
	for commit, want := range map[string]bool{one: true, two: true, aside: false, fmt.Sprintf("%040d", 7): false} {
		got, err := contains(t.Context(), git, s.repo, "master", commit)
		require.NoError(t, err)
		assert.Equal(t, want, got, commit)
	}
	// The branch is forced back: what was there is there no more.
	s.publish(one + ":master")
	got, err := contains(t.Context(), git, s.repo, "master", two)
	require.NoError(t, err)
	assert.False(t, got)
	_, err = contains(t.Context(), git, s.repo, "main", one)
	require.ErrorContains(t, err, "main")
}

func TestAHistoryThatIsBrokenIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.commit("one")
	s.commit("two")
	s.publish("master")
	git := s.options.Git
	_, err := contains(t.Context(), git, s.repo, "master", one)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(git.Dir, "shop.git", "config"), []byte("[core"), 0o600))
	_, err = contains(t.Context(), git, s.repo, "master", one)
	require.Error(t, err)
	got, err := contains(t.Context(), git, s.repo, "master", one)
	require.NoError(t, err)
	assert.True(t, got)
}

func TestManyMayAskForOneHistory(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one := s.commit("one")
	s.commit("two")
	s.publish("master")
	var asking errgroup.Group
	for range 8 {
		asking.Go(func() error {
			got, err := contains(context.Background(), s.options.Git, s.repo, "master", one)
			if err == nil && !got {
				err = fmt.Errorf("%s is on master", one)
			}
			return err
		})
	}
	require.NoError(t, asking.Wait())
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	commit := s.commit("add a till\n\nfor the new shop")
	s.publish("master")
	text, err := s.options.Git.Describe(t.Context(), "shop", s.repo, "master", commit)
	require.NoError(t, err)
	assert.Equal(t, "a\nadd a till\n\nfor the new shop", text)
}

// FuzzParseRefs: whatever a server says, no ref is without a name or a commit.
func FuzzParseRefs(f *testing.F) {
	f.Add("1111111111111111111111111111111111111111\trefs/heads/master\n")
	f.Add("1\trefs/tags/v1\n2\trefs/tags/v1^{}\n")
	f.Add("\t\n\trefs/heads/\nrefs/tags/\t\r\n")
	f.Fuzz(func(t *testing.T, listing string) {
		refs := dispatch.ParseRefs(listing)
		for _, named := range []map[string]string{refs.Heads, refs.Tags} {
			for name, commit := range named {
				assert.NotEmpty(t, name)
				assert.NotEmpty(t, commit)
			}
		}
	})
}
