package report

import "deliver/rollout"

// ExitCode is the exit code that says how a run ended. An interrupted one is 130,
// as of SIGINT; whoever knows that it was SIGTERM says 143.
func ExitCode(o rollout.Outcome) int {
	switch o.Result {
	case rollout.OK:
		return 0
	case rollout.Partial:
		return 3
	case rollout.Held:
		return 4
	case rollout.RolledBack:
		return 5
	case rollout.Refused:
		return 6
	case rollout.Interrupted:
		return 130
	default:
		return 1
	}
}
