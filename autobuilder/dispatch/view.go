package dispatch

import (
	"context"
	"time"

	"autobuilder/build"
)

// view is what repositories show at one moment, so that a burst of deliveries
// asks each of them once. A delivery is judged only by a view that is younger
// than itself: it holds what was pushed.
type view struct {
	git      Git
	asked    map[string]listing // by URL
	branches map[string]history // by project
}

type listing struct {
	refs Refs
	at   time.Time
}

type history struct {
	newest map[string]string // commit → tree
	at     time.Time
}

// fresh is how long a view holds while a long row of deliveries is judged.
const fresh = 3 * time.Second

// look makes a view for deliveries that are in the ledger now.
func (d *Dispatcher) look() *view {
	return &view{git: d.Git, asked: map[string]listing{}, branches: map[string]history{}}
}

func (v *view) refs(ctx context.Context, url string) (Refs, error) {
	if l, ok := v.asked[url]; ok && time.Since(l.at) < fresh {
		return l.refs, nil
	}
	l := listing{at: time.Now()}
	var err error
	if l.refs, err = v.git.Refs(ctx, url); err == nil {
		v.asked[url] = l
	}
	return l.refs, err
}

// contains says whether the commit is in the history of the project's branch.
func (v *view) contains(ctx context.Context, p build.Project, commit string) (bool, error) {
	h, err := v.history(ctx, p)
	if _, there := h.newest[commit]; err != nil || there {
		return err == nil, err
	}
	return v.git.Contains(ctx, p.Name, p.Branch, commit)
}

// tree is that of one of the branch's newest commits; of others it is empty.
func (v *view) tree(ctx context.Context, p build.Project, commit string) (string, error) {
	h, err := v.history(ctx, p)
	return h.newest[commit], err
}

// below says whether a commit of the project's branch came from another.
func (v *view) below(ctx context.Context, p build.Project, ancestor, commit string) (bool, error) {
	if _, err := v.history(ctx, p); err != nil {
		return false, err
	}
	return v.git.isAncestor(ctx, p.Name, p.Branch, ancestor, commit)
}

func (v *view) history(ctx context.Context, p build.Project) (history, error) {
	if h, ok := v.branches[p.Name]; ok && time.Since(h.at) < fresh {
		return h, nil
	}
	h := history{at: time.Now()}
	err := v.git.Fetch(ctx, p.Name, p.CloneURL, p.Branch)
	if err == nil {
		h.newest, err = v.git.Newest(ctx, p.Name, p.Branch)
	}
	if err == nil {
		v.branches[p.Name] = h
	}
	return h, err
}
