package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"deliver/host"
	"deliver/inventory"
	"deliver/release"
	"deliver/rollout"
)

// record writes that the release is healthy on a server. On one that was so
// before it is written only if an earlier run could not.
func (f *fleet) record(ctx context.Context, v *visit, tell *rollout.Teller) error {
	if !v.settled || !known(v.state.History, f.Record.ID) {
		f.write(ctx, v, host.Entry{Result: Healthy}, tell)
	}
	f.pin(ctx, v, tell)
	return nil
}

// recordFailures writes on servers that are left with a failed release why.
func (f *fleet) recordFailures(ctx context.Context, outcome rollout.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	failed := map[string]string{}
	for _, h := range outcome.Hosts {
		if h.Result == rollout.HostFailed {
			failed[h.Host.String()] = h.Err.Error()
		}
	}
	each(f.those(func(v *visit) bool { return v.switched && failed[v.key] != "" }), func(v *visit) {
		f.write(ctx, v, host.Entry{Result: Failed, Why: failed[v.key]}, nil)
	})
}

// known says whether the history ends with the release being healthy.
func known(history []host.Entry, id string) bool {
	return len(history) > 0 && history[len(history)-1].Release == id && history[len(history)-1].Result == Healthy
}

// write adds to a server's history. That it cannot is told, and is no reason
// to take a healthy release back.
func (f *fleet) write(ctx context.Context, v *visit, entry host.Entry, tell *rollout.Teller) {
	entry.Time, entry.Run, entry.Action = time.Now().UTC().Truncate(time.Millisecond), f.Run, f.Action
	entry.Release, entry.Previous, entry.By = f.Record.ID, v.previous, f.By
	if err := v.server.Record(ctx, entry); err != nil {
		v.say(tell, "the history could not be written: %v", err)
	}
}

// prune removes old releases from all servers when all of them are done. That
// it cannot is told, and fails nothing.
func (f *fleet) prune() []rollout.Step {
	if f.App.Keep <= 0 {
		return nil
	}
	return []rollout.Step{{
		Name: "prune", Timeout: f.Times.Step,
		Do: func(ctx context.Context, _ inventory.Host, tell *rollout.Teller) error {
			var servers errgroup.Group
			servers.SetLimit(rollout.DefaultParallel)
			for _, v := range f.all() {
				servers.Go(func() error {
					f.pruneServer(ctx, v, tell)
					return nil
				})
			}
			return servers.Wait()
		},
	}}
}

func (f *fleet) pruneServer(ctx context.Context, v *visit, tell *rollout.Teller) {
	removed, err := v.server.Prune(ctx, f.App.Keep)
	switch {
	case err != nil:
		tell.Message(fmt.Sprintf("%s: old releases could not be removed: %v", v.name, err))
	case len(removed) > 0:
		tell.Message(fmt.Sprintf("%s: removed %s", v.name, strings.Join(removed, ", ")))
	}
}

// Goal is the release that a rollback without a name goes to: that of a
// rollback which was cut, or else the last good one before current.
func Goal(states []host.State, current string) (string, bool) {
	if good := merge(states); len(good) > 0 {
		last := good[len(good)-1]
		cut := func(s host.State) bool { return s.Current != "" && s.Current != last.Release }
		if last.Action == Rollback && slices.ContainsFunc(states, cut) {
			return last.Release, true
		}
	}
	return LastGood(states, current)
}

// RolledFrom is the release that a fleet leaves when it is rolled back to
// another one.
func RolledFrom(states []host.State, to string) release.Record {
	others := slices.DeleteFunc(slices.Clone(states), func(s host.State) bool { return s.Current == to })
	from := Current(others)
	for _, s := range others {
		if rec := recordOf(s, from); rec.ID != "" {
			return rec
		}
	}
	return release.Record{}
}

// LastGood is the release that a fleet would be rolled back to from current:
// the one that was live and healthy before it. What was rolled back from does
// not count any more, until it is pushed again.
func LastGood(states []host.State, current string) (string, bool) {
	var stack []string
	for _, e := range merge(states) {
		if at := slices.Index(stack, e.Release); at >= 0 && e.Action == Rollback {
			stack = stack[:at]
		} else if at >= 0 {
			stack = slices.Delete(stack, at, at+1)
		}
		stack = append(stack, e.Release)
	}
	if at := slices.Index(stack, current); at >= 0 {
		stack = stack[:at]
	}
	if len(stack) == 0 {
		return "", false
	}
	return stack[len(stack)-1], true
}

// merge is the good entries of all servers, in the order in which they came;
// those of one run are one.
func merge(states []host.State) []host.Entry {
	var all []host.Entry
	for _, s := range states {
		for _, e := range s.History {
			if e.Result == Healthy {
				all = append(all, e)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b host.Entry) int { return a.Time.Compare(b.Time) })
	seen := map[[2]string]bool{}
	return slices.DeleteFunc(all, func(e host.Entry) bool {
		key := [2]string{e.Run, e.Release}
		defer func() { seen[key] = true }()
		return seen[key]
	})
}

// Current is the release that most of a fleet runs; of two with equally many
// servers, the one that came later.
func Current(states []host.State) string {
	count, since := map[string]int{}, map[string]time.Time{}
	best := ""
	for _, s := range states {
		count[s.Current]++
		if s.Since.After(since[s.Current]) {
			since[s.Current] = s.Since
		}
	}
	for id, n := range count {
		if id != "" && (best == "" || n > count[best] || (n == count[best] && since[id].After(since[best]))) {
			best = id
		}
	}
	return best
}
