package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

// stored is a store that says of every project what was promoted.
func stored(last build.Rollout, err error) func(context.Context, build.Project) (build.Rollout, error) {
	return func(_ context.Context, p build.Project) (build.Rollout, error) {
		last.Project, last.Environment, last.Result, last.Started = p.Name, p.Environment(), "ok", last.Ended
		return last, err
	}
}

func TestLiveIsAlsoWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	ago := time.Now().Add(-time.Hour)
	tests := []struct {
		name string
		last build.Rollout
		err  error
		want string // live after v1.1.0 went, and was told of, two hours ago
	}{
		{"newer than what deliver told", build.Rollout{Run: "store-1", Release: "by-hand", Version: "v1.5.0", Ended: ago}, nil, "by-hand"},
		{"older than what deliver told", build.Rollout{Run: "store-1", Release: "old", Version: "v1.0.0", Ended: ago.Add(-24 * time.Hour)}, nil, "jenkins-shop-1"},
		{"a moment ago: deliver is about to tell", build.Rollout{Run: "store-1", Release: "by-hand", Ended: time.Now().Add(24 * time.Hour)}, nil, "jenkins-shop-1"},
		{"nothing was promoted", build.Rollout{}, build.ErrUnknown, "jenkins-shop-1"},
		{"it does not answer", build.Rollout{}, errors.New("no route to host"), "jenkins-shop-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(p *build.Project) { p.Store = "s3://releases/shop" })
			s.options.Promoted = stored(test.last, test.err)
			then := time.Now().Add(-2 * time.Hour)
			require.NoError(t, s.book.Rollout(t.Context(), build.Rollout{
				Run: "r1", Project: "shop", Action: "push", Release: "jenkins-shop-1", Version: "v1.1.0", Result: "ok", Started: then, Ended: then,
			}))
			s.run()
			s.push("one")
			assert.Equal(t, ledger.Built, s.fate("d1").Verdict, "it holds nothing up")
			live, err := s.book.Live(t.Context(), "shop", "")
			require.NoError(t, err)
			assert.Equal(t, test.want, live.Release)
		})
	}
}
