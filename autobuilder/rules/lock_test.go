package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"autobuilder/build"
	"autobuilder/rules"
)

func TestWhomALockKeepsWaiting(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	lock := &build.Lock{Project: "shop", By: "ada", Reason: "the tables move", Until: now.Add(time.Hour)}
	assert.Equal(t, "locked by ada: the tables move, until 2026-11-23 13:00 UTC", rules.Locked(lock, build.Build{By: "bob"}, now))
	assert.Empty(t, rules.Locked(lock, build.Build{By: "Ada"}, now), "who locked it goes on")
	assert.Empty(t, rules.Locked(lock, build.Build{By: build.Itself}, now), "the way back is never locked")
	assert.Empty(t, rules.Locked(lock, build.Build{By: "bob"}, now.Add(time.Hour)), "its time is over")
	assert.Empty(t, rules.Locked(nil, build.Build{By: "bob"}, now))
	lock.Until = time.Time{}
	assert.NotEmpty(t, rules.Locked(lock, build.Build{By: "bob"}, now.AddDate(1, 0, 0)))

	assert.Equal(t, "shop is locked by ada: the tables move", rules.MayLock(lock, "bob", now))
	assert.Empty(t, rules.MayLock(lock, "ada", now))
	assert.Empty(t, rules.MayLock(nil, "bob", now))
}

func TestAskedToGoBack(t *testing.T) {
	t.Parallel()
	project := build.Project{Name: "shop", Repo: "acme/shop"}
	project.Defaults()
	push := build.Push{Project: "shop", Ref: "c1", Back: true}
	good := &build.Build{State: build.Succeeded, Attempt: 2, Tag: "v1.1.0"}
	tests := []struct {
		name  string
		facts rules.Facts
		do    rules.Do
		why   string
	}{
		{"it was delivered", rules.Facts{Commit: "c1", Tags: []string{"v1.1.0"}, Earlier: good, Stored: "r1", Live: build.Live{Commit: "c2", Version: "v1.2.0"}}, rules.Build, "back to v1.1.0: release r1"},
		{"by deliver alone", rules.Facts{Commit: "c1", Stored: "r1", Live: build.Live{Commit: "c2"}}, rules.Build, "back to c1: release r1"},
		{"deliver told of nothing", rules.Facts{Commit: "c1", Earlier: good, Live: build.Live{Commit: "c2"}}, rules.Build, "is built again"},
		{"it is live", rules.Facts{Commit: "c1", Earlier: good, Stored: "r1", Live: build.Live{Commit: "c1"}}, rules.Ignore, "is live already"},
		{"it is live, but not for long", rules.Facts{Commit: "c1", Earlier: good, Stored: "r1", Live: build.Live{Commit: "c1"}, Going: true}, rules.Build, "release r1"},
		{"it never was", rules.Facts{Commit: "c1", Live: build.Live{Commit: "c2"}}, rules.Ignore, "never delivered"},
		{"it failed", rules.Facts{Commit: "c1", Earlier: &build.Build{State: build.Failed}, Live: build.Live{Commit: "c2"}}, rules.Ignore, "never delivered"},
		{"it is on its way", rules.Facts{Commit: "c1", Earlier: &build.Build{State: build.Running, Release: "r1"}, Stored: "r1", Live: build.Live{Commit: "c2"}}, rules.Join, "on its way"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := rules.Decide(push, project, test.facts)
			assert.Equal(t, test.do, v.Do, v.Why)
			assert.Contains(t, v.Why, test.why)
			assert.Empty(t, v.Hold, "a way back waits for nobody")
			if test.do == rules.Build && test.facts.Earlier == good {
				assert.Equal(t, 3, v.Attempt)
			}
		})
	}
}
