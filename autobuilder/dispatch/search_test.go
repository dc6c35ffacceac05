package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

// searching is a stage whose dispatcher looks often, and has looked once.
func searching(t *testing.T, prepare func(*stage), change ...func(*build.Project)) *stage {
	t.Helper()
	s := newStage(t, change...)
	s.options.Search = 20 * time.Millisecond
	prepare(s)
	s.run()
	s.eventually(func() bool {
		_, err := s.book.Fate(t.Context(), "watch-shop")
		return err == nil
	}, "the project is watched")
	return s
}

func TestAPushThatNobodyToldOfIsFound(t *testing.T) {
	t.Parallel()
	s := searching(t, func(*stage) {})
	commit := s.commit("add a till")
	s.publish("master")
	b := s.reaches(0, build.Running)
	assert.Equal(t, commit, b.Commit)
	assert.Equal(t, "a", b.By, "the commit's author, for want of a pusher")
	assert.Equal(t, "add a till", b.Message)
	s.tell("refs/heads/master") // GitHub tells at last
	s.fate("d1")
	assert.Equal(t, 1, s.ci.count())
}

func TestATagThatNobodyToldOfIsFound(t *testing.T) {
	t.Parallel()
	s := searching(t, func(*stage) {}, func(p *build.Project) { p.RequireTag = true })
	commit := s.push("one")
	assert.Equal(t, ledger.Ignored, s.fate("d1").Verdict)
	s.tag("v1.2.0")
	s.publish("v1.2.0")
	b := s.reaches(0, build.Running)
	assert.Equal(t, commit, b.Commit)
	assert.Equal(t, "v1.2.0", b.Tag)
}

// GitHub sends nothing of a push of more than three tags.
func TestManyTagsInOnePushAreAllFound(t *testing.T) {
	t.Parallel()
	s := searching(t, func(*stage) {}, func(p *build.Project) { p.Queue, p.RequireTag = build.QueueEach, true })
	var want, tags []string
	for _, tag := range []string{"v1.0.8", "v1.0.9", "v1.0.10", "v1.1.0", "v2.0.0"} {
		want = append(want, s.commit(tag))
		s.tag(tag)
		tags = append(tags, tag)
	}
	s.git("-C", s.tree, "checkout", "--quiet", "-b", "topic")
	s.commit("aside")
	s.tag("v9.0.0")
	s.publish(append([]string{"master", "topic", "v9.0.0"}, tags...)...)
	s.eventually(func() bool { return s.ci.count() == len(want) }, "each tag is built")
	assert.ElementsMatch(t, want, s.ci.commits())
	var aside build.Fate
	s.eventually(func() bool {
		fates, err := s.book.Fates(t.Context(), 20)
		i := slices.IndexFunc(fates, func(f build.Fate) bool { return f.Ref == "refs/tags/v9.0.0" })
		if i >= 0 {
			aside = fates[i]
		}
		return err == nil && aside.Verdict == ledger.Ignored
	}, "one that is not on the branch is explained")
	assert.Contains(t, aside.Why, "is not on master")
}

func TestWhatWasThereBeforeIsNotBuilt(t *testing.T) {
	t.Parallel()
	s := searching(t, func(s *stage) {
		s.commit("old")
		s.tag("v0.9.0")
		s.publish("master", "v0.9.0")
	})
	fresh := s.commit("new")
	s.publish("master")
	s.reaches(0, build.Running)
	assert.Equal(t, []string{fresh}, s.ci.commits())
	fates, err := s.book.Fates(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, fates, 4)
	assert.Equal(t, build.Found, fates[0].Event)
	assert.Equal(t, ledger.Built, fates[0].Verdict)
	assert.Equal(t, "project shop is watched from here on", fates[1].Why)
	assert.Equal(t, "it was there before autobuilder", fates[2].Why)
	assert.Equal(t, "it was there before autobuilder", fates[3].Why)
}

func TestAPushWhileAutobuilderWasDownIsFound(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.options.Search = 20 * time.Millisecond
	s.commit("old")
	s.publish("master")
	stop := s.run()
	s.eventually(func() bool {
		_, err := s.book.Fate(t.Context(), "watch-shop")
		return err == nil
	}, "the project is watched")
	stop()
	commit := s.commit("new")
	s.publish("master")
	s.run()
	s.reaches(0, build.Running)
	assert.Equal(t, []string{commit}, s.ci.commits())
}

// The way back is a push like any other: it is found though nobody told of it,
// and though the commit itself was told of before.
func TestAWayBackWhileAutobuilderWasDownIsFound(t *testing.T) {
	t.Parallel()
	for way, back := range map[string]func(*stage){
		"forced": func(s *stage) { s.git("-C", s.tree, "reset", "--hard", "--quiet", "v1.1.0") },
		"revert": func(s *stage) { s.git("-C", s.tree, "revert", "--no-edit", "HEAD") },
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.options.Search = 20 * time.Millisecond
			stop := s.run()
			s.eventually(func() bool {
				_, err := s.book.Fate(t.Context(), "watch-shop")
				return err == nil
			}, "the project is watched")
			for i, tag := range []string{"v1.1.0", "v1.2.0"} {
				s.file(tag, tag)
				s.tell("refs/heads/master")
				s.went(s.delivered(i), fmt.Sprintf("jenkins-shop-%d", i+1), "ok")
			}
			stop()
			back(s)
			s.publish("master")
			s.run()
			s.delivered(2)
			assert.Equal(t, "jenkins-shop-1", s.ci.params(2)["RELEASE"], "v1.1.0 goes out again as it is stored")
			fates, err := s.book.Fates(t.Context(), 1)
			require.NoError(t, err)
			assert.Equal(t, build.Found, fates[0].Event)
		})
	}
}

// Events that come in another order than the pushes are no way back.
func TestAnOlderPushToldOfLastIsNoWayBack(t *testing.T) {
	t.Parallel()
	s := searching(t, func(*stage) {})
	first := s.commit("one")
	s.push("two")
	s.fate(s.tell("refs/heads/master", func(d *build.Delivery) { d.Push.After, d.Push.Commit = first, first }))
	third := s.commit("three")
	s.publish("master")
	s.eventually(func() bool {
		fates, err := s.book.Fates(t.Context(), 1)
		return err == nil && fates[0].Event == build.Found && fates[0].Commit == third
	}, "the repository was searched since")
	fates, err := s.book.Fates(t.Context(), 10)
	require.NoError(t, err)
	for _, fate := range fates {
		assert.NotContains(t, fate.Delivery, "-after-")
	}
}

func TestWhatIsFoundFollowsTheRules(t *testing.T) {
	t.Parallel()
	s := searching(t, func(*stage) {})
	s.commit("typo [skip ci]")
	s.publish("master")
	var fate build.Fate
	s.eventually(func() bool {
		fates, err := s.book.Fates(t.Context(), 1)
		fate = fates[0]
		return err == nil && fate.Why == "the commit says [skip ci]"
	}, "it is ignored")
	assert.Equal(t, build.Found, fate.Event)
	assert.Zero(t, s.ci.count())
}

func TestWhatGitHubToldIsNotFoundAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	stop := s.run()
	s.eventually(func() bool {
		_, err := s.book.Fate(t.Context(), "watch-shop")
		return err == nil
	}, "the project is watched")
	s.push("one")
	s.tag("v1.0.0")
	s.publish("v1.0.0")
	s.fate(s.tell("refs/tags/v1.0.0"))
	s.reaches(0, build.Running)
	stop()
	s.options.Search = 20 * time.Millisecond
	s.run()
	s.commit("two")
	s.publish("master")
	s.eventually(func() bool { return len(s.builds()) == 2 }, "what was not told is found")
	fates, err := s.book.Fates(t.Context(), 10)
	require.NoError(t, err)
	found := 0
	for _, f := range fates {
		if f.Event == build.Found && f.Ref != "" {
			found++
		}
	}
	assert.Equal(t, 1, found)
}

// list is what GitHub says that it sent.
type list struct {
	mu     sync.Mutex
	pushes []build.Delivery
	broken error
	sinces []time.Time
}

func (l *list) Pushes(ctx context.Context, _ string, since time.Time, known func(context.Context, string) (bool, error)) ([]build.Delivery, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sinces = append(l.sinces, since)
	var missed []build.Delivery
	for _, d := range l.pushes {
		there, err := known(ctx, d.ID)
		if err != nil {
			return nil, err
		}
		if !there {
			missed = append(missed, d)
		}
	}
	return missed, l.broken
}

func (l *list) set(change func(*list)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func TestWhatGitHubCouldNotDeliverIsTakenFromItsList(t *testing.T) {
	t.Parallel()
	sent := &list{}
	start := time.Now().Add(-time.Minute)
	s := searching(t, func(s *stage) { s.options.Sent = sent }, func(p *build.Project) { p.Queue = build.QueueEach })
	one, two := s.commit("one"), s.commit("two")
	s.publish("master")
	push := func(id, commit string) build.Delivery {
		return build.Delivery{ID: id, Event: "push", Received: time.Now(), Push: build.Push{
			Repo: "acme/shop", Ref: "refs/heads/master", After: commit, Commit: commit, Pusher: "ada",
		}}
	}
	sent.set(func(l *list) {
		l.pushes, l.broken = []build.Delivery{push("g1", one), push("g2", two)}, errors.New("one more cannot be read")
	})
	s.eventually(func() bool { return s.ci.count() == 2 }, "both are built: also the one that no branch shows")
	assert.Equal(t, []string{one, two}, s.ci.commits())
	assert.Equal(t, "ada", s.builds()[0].By, "GitHub says who pushed")
	assert.Equal(t, ledger.Built, s.fate("g1").Verdict)

	sent.set(func(l *list) { l.broken = nil })
	three := s.commit("three")
	s.publish("master")
	s.eventually(func() bool { return slices.Contains(s.ci.commits(), three) }, "the branch is searched all the same")
	sent.set(func(l *list) {
		for _, since := range l.sinces {
			assert.True(t, since.After(start), "not from before the project was watched")
		}
	})
}
