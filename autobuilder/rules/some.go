package rules

import (
	"fmt"

	"autobuilder/build"
)

// some judges a wish for some servers. What these run now is not known here, so that
// it is never too much to ask for; only what is still on its way to the same ones is
// not sent twice. A commit that all servers had goes there as the release that they
// had. What waits for all servers goes on.
func some(v Verdict, push build.Push, facts Facts) Verdict {
	to := build.ToOnly(push.Only)
	v.Do, v.Why = Build, "triggered by hand "+to
	if facts.Earlier != nil {
		v.Attempt = facts.Earlier.Attempt + 1
	}
	switch {
	case facts.Earlier != nil && !facts.Earlier.State.Final():
		return Verdict{Do: Join, Why: fmt.Sprintf("its build %s is already %s", to, facts.Earlier.State)}
	case facts.Stored != "" && !push.Again:
		v.Release = facts.Stored
		v.Why = fmt.Sprintf("release %s is deployed again %s, nothing is built", v.Release, to)
	}
	return v
}
