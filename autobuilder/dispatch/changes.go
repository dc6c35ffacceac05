package dispatch

import (
	"context"
	"errors"

	"autobuilder/build"
)

// Changes are the newest commits that one commit of the branch has and another
// has not: at most limit, and how many there are. Where one of them is not known
// here, the branch is fetched.
func (g Git) Changes(ctx context.Context, p build.Project, from, to string, limit int) (list []build.Commit, all int, err error) {
	found, err := g.commits(ctx, p.Name, from, to)
	if errors.Is(err, build.ErrUnknown) {
		if err = g.Fetch(ctx, p.Name, p.CloneURL, p.Branch); err == nil {
			found, err = g.commits(ctx, p.Name, from, to)
		}
	}
	return found[:min(limit, len(found))], len(found), err
}
