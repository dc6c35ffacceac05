package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

func (w *tempest) book(read func(context.Context, *ledger.Ledger)) {
	w.t.Helper()
	book, err := ledger.Open(context.Background(), filepath.Join(w.dir, "data", "ledger.db"))
	require.NoError(w.t, err)
	defer book.Close()
	read(context.Background(), book)
}

func (w *tempest) fates() (all []build.Fate) {
	w.t.Helper()
	w.book(func(ctx context.Context, book *ledger.Ledger) {
		var err error
		all, err = book.Fates(ctx, 1_000_000)
		require.NoError(w.t, err)
	})
	return all
}

// settle waits until every push has its fate and no build is open.
func (w *tempest) settle() {
	w.t.Helper()
	if w.wire != nil {
		w.wire.calm.Store(true)
	}
	require.Eventually(w.t, func() bool { return w.restless() == "" }, w.longest(), 500*time.Millisecond, "it comes to rest")
}

// longest is how long a machine that has much else to do may take.
func (w *tempest) longest() time.Duration {
	return 30*time.Minute + time.Duration(w.pushes)*time.Second
}

// restless is what is not done yet.
func (w *tempest) restless() string {
	told, heard := map[string]bool{}, map[string]bool{}
	for _, f := range w.fates() {
		if f.Verdict == ledger.Pending {
			return "pending: " + f.Delivery
		}
		told[f.Delivery], heard[f.Repo+f.Ref+f.Commit] = true, true
	}
	for _, e := range w.events {
		if e.untold && !heard[e.repo+e.ref+e.commit] || !e.untold && !told[e.id] {
			return "not heard of: " + e.repo + e.ref
		}
	}
	open := ""
	w.book(func(ctx context.Context, book *ledger.Ledger) {
		projects, err := book.OpenProjects(ctx)
		if err != nil {
			open = err.Error()
		}
		open += strings.Join(projects, " ")
	})
	return open
}

// tally is what the storm is judged by.
type tally struct {
	shells  map[string]int    // job, commit → how often a shell ran
	records map[string]int    // job, commit → builds in Jenkins' own files
	fates   map[string]string // repo, ref, commit → why
	states  map[build.State]int
}

func (w *tempest) count(told, all time.Duration) {
	got := tally{shells: w.shells(), records: w.records(), fates: map[string]string{}, states: map[build.State]int{}}
	verdicts := map[string]int{}
	byID := map[string]bool{}
	for _, f := range w.fates() {
		verdicts[f.Event+" "+f.Verdict]++
		byID[f.Delivery] = true
		got.fates[f.Repo+f.Ref+f.Commit] = f.Why
	}
	builds := w.allBuilds()
	for _, b := range builds {
		got.states[b.State]++
	}
	lost := 0
	for id := range w.acked {
		if !byID[id] {
			lost++
		}
	}
	assert.Zero(w.t, lost, "acknowledged deliveries are in the ledger")
	w.explained(got)
	heads, tags := w.once(got)
	twice := more(got.shells) + more(got.records)
	assert.Zero(w.t, twice, "no commit is built twice")
	w.t.Logf(`storm over %s
  pushes                     %d over %d repositories, in %s, all built after %s
  events of GitHub           %d: %d dropped, %d doubled, %d met a server that was down; %d of tags that GitHub does not tell of
  killed                     autobuilder %d times, jenkins %d times; faults on the way to jenkins: %d
  acknowledged deliveries    %d, lost: %d
  ledger                     %v
  builds                     %d: %v
  newest commits of branches %d, each built once
  tags                       %d, each built once or explained
  built twice                %d`,
		w.kind, w.pushes, len(w.origins), told.Round(time.Second), all.Round(time.Second),
		len(w.events), w.sent["dropped"], w.sent["doubled"], w.sent["not reached"], w.untold(),
		w.kills["autobuilder"], w.kills["jenkins"], w.faults(), len(w.acked), lost, verdicts,
		len(builds), got.states, heads, tags, twice)
}

func (w *tempest) faults() int64 {
	if w.wire == nil {
		return 0
	}
	return w.wire.faults.Load()
}

func (w *tempest) untold() (n int) {
	for _, e := range w.events {
		if e.untold {
			n++
		}
	}
	return n
}

func (w *tempest) explained(got tally) {
	for _, e := range w.events {
		assert.NotEmpty(w.t, got.fates[e.repo+e.ref+e.commit], "the ledger says why of %s %s %s", e.repo, e.ref, e.commit)
	}
}

// once checks the newest commit of each branch, and each tag. Where every push
// is built, a tag is not that was heard of only when a higher version was live.
func (w *tempest) once(got tally) (heads, tags int) {
	times := func(job, commit string) int { return got.records[job+" "+commit] }
	for _, o := range w.origins {
		job := strings.TrimPrefix(o.name, "acme/")
		if o.master != o.chain[0] {
			heads++
			assert.Equal(w.t, 1, times(job, o.master), "%s: master's newest", o.name)
		}
		if o.next != "" {
			heads++
			assert.Equal(w.t, 1, times(job+"-next", o.next), "%s: next's newest", o.name)
		}
		for tag, commit := range o.tagged {
			tags++
			n := times(job, commit)
			why := got.fates[o.name+"refs/tags/"+tag+commit]
			if o.queue == build.QueueEach && !strings.HasPrefix(why, tag+" is older than ") {
				assert.Equal(w.t, 1, n, "%s: %s: %s", o.name, tag, why)
				continue
			}
			assert.LessOrEqual(w.t, n, 1, "%s: %s", o.name, tag)
		}
	}
	return heads, tags
}

func more(counts map[string]int) (n int) {
	for _, c := range counts {
		if c > 1 {
			n++
		}
	}
	return n
}

// shells are the lines that the jobs themselves wrote.
func (w *tempest) shells() map[string]int {
	found := map[string]int{}
	text, err := os.ReadFile(filepath.Join(w.dir, "ran"))
	require.NoError(w.t, err)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		found[words[0]+" "+words[1]]++
	}
	return found
}

// records are the builds that Jenkins has on disk. A Hudson's lose their
// parameters when it is killed: there the shells are counted.
func (w *tempest) records() map[string]int {
	dir := map[string]string{"embedded": "data/jenkins", "beside": "jenkins"}[w.kind]
	if dir == "" {
		return w.shells()
	}
	found := map[string]int{}
	files, err := filepath.Glob(filepath.Join(w.dir, dir, "jobs", "*", "builds", "*", "build.json"))
	require.NoError(w.t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(w.t, err)
		var record struct {
			Params []struct{ Name, Value string }
		}
		require.NoError(w.t, json.Unmarshal(text, &record), file)
		job := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(file))))
		for _, p := range record.Params {
			if p.Name == "COMMIT" {
				found[fmt.Sprint(job, " ", p.Value)]++
			}
		}
	}
	return found
}

func (w *tempest) allBuilds() (all []build.Build) {
	w.book(func(ctx context.Context, book *ledger.Ledger) {
		var err error
		all, err = book.Builds(ctx, "", 1_000_000)
		require.NoError(w.t, err)
	})
	return all
}
