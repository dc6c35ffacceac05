package rules

import (
	"fmt"
	"slices"
	"strings"

	"autobuilder/build"
)

// MayApprove says why somebody may not approve a hold; empty: they may.
func MayApprove(gate build.Gate, hold build.Hold, by string) string {
	same := func(name string) bool { return strings.EqualFold(name, by) }
	switch {
	case hold.State == build.Approved:
		return "it is approved already, and its checklist is under way"
	case hold.State != build.Waiting:
		return fmt.Sprintf("it does not wait any more: it is %s", hold.State)
	case by == "":
		return "nobody is named who approves it"
	case hold.Problem != "":
		return hold.Problem + ": mend it and push a newer tag, or reject this one"
	case len(gate.Approvers) > 0 && !slices.ContainsFunc(gate.Approvers, same):
		return fmt.Sprintf("%s is none of its approvers: %s", by, strings.Join(gate.Approvers, ", "))
	case gate.NotPusher && same(hold.By):
		return fmt.Sprintf("%s pushed it, and somebody else is to approve it", by)
	case slices.ContainsFunc(hold.Approvals(), same):
		return fmt.Sprintf("%s has approved it already: it needs %d people", by, hold.Needed)
	}
	return ""
}

// MayReject says why a hold can't be rejected; empty: it can. Whoever may
// act on holds may stop one.
func MayReject(hold build.Hold, by string) string {
	switch {
	case !hold.State.Open():
		return fmt.Sprintf("it does not wait any more: it is %s", hold.State)
	case by == "":
		return "nobody is named who rejects it"
	}
	return ""
}

// MayTick says why a step can't be ticked by hand; empty: it can. Steps
// are done in their order. One that autobuilder does itself is only ticked
// after it failed, by somebody who saw to it; again lets it be done once more.
func MayTick(hold build.Hold, n int, by string, again bool) string {
	next := hold.Next()
	switch {
	case hold.State == build.Waiting:
		return fmt.Sprintf("it waits for approval: %d of %d", len(hold.Approvals()), hold.Needed)
	case hold.State != build.Approved:
		return fmt.Sprintf("it does not wait any more: it is %s", hold.State)
	case by == "":
		return "nobody is named who ticks it"
	case n < 1 || n > len(hold.Steps):
		return fmt.Sprintf("there is no step %d: it has %d", n, len(hold.Steps))
	case hold.Steps[n-1].State == build.ItemDone:
		return fmt.Sprintf("step %d was done by %s", n, hold.Steps[n-1].By)
	case next == nil || next.N != n:
		return fmt.Sprintf("step %d comes first: %s", next.N, next.Text)
	case again && next.State != build.ItemFailed:
		return fmt.Sprintf("step %d is %s: only what failed is done again", n, next.State)
	case next.Kind != build.ItemPerson && next.State != build.ItemFailed:
		return fmt.Sprintf("step %d is autobuilder's own: it ticks it itself", n)
	}
	return ""
}
