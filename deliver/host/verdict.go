package host

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// verdict is what is wrong with the service by what its manager says, and does
// not get better by waiting; nil when nothing is.
func (c *checkup) verdict() *Error {
	gone := c.seen.gone()
	switch {
	case gone == "" && !c.watch.looping():
		return nil
	case gone != "" && c.lackedMemory():
		return c.named(KindOutOfMemory, "was killed for lack of memory: %s", gone).
			hint("give it more (MemoryMax of its unit, or the machine's), or let the release use less")
	case gone != "" && c.seen.cause == causeLate:
		return c.named(KindSlowStart, "did not start in the time that its unit gives it: %s", gone).
			hint(lateHint)
	case c.watch.again > 0:
		return c.named(KindCrashLoop, "does not stay up: it ended, and %s started it again (%s): %s", c.seen.Manager, times(c.watch.again), c.seen.Detail)
	case c.seen.failing != "":
		return c.named(KindCrashLoop, "does not stay up: it ended, and %s is about to start it again: %s", c.seen.Manager, gone)
	case c.watch.looping():
		return c.named(KindCrashLoop, "does not stay up: it runs in another process each time that one looks: %s", c.seen.Detail)
	case c.seen.cause == causeDone:
		return c.named(KindNotRunning, "does not run: it ended by itself, without an error: %s", gone).
			hint("its command must stay in the foreground for as long as the app runs")
	}
	return c.named(KindNotRunning, "does not run: %s", gone)
}

// isCertain says whether the latest look tells all. Where the kernel has killed
// for lack of memory, the service's next end tells whether it was that. What
// ended may be started again at the manager's next turn.
func (c *checkup) isCertain() bool {
	if !c.seen.open {
		c.ended = time.Time{}
		return c.seen.gone() != "" || oomKills() == c.kills
	}
	if c.ended.IsZero() {
		c.ended = time.Now()
	}
	return time.Since(c.ended) > managersTurn
}

// managersTurn is more than the second after which supervisor looks again at
// what has ended.
const managersTurn = 2 * time.Second

// lackedMemory says whether the kernel killed the service for its memory.
// Systemd knows by itself only where cgroups v2 tell it.
func (c *checkup) lackedMemory() bool {
	return c.seen.cause == causeMemory || (c.seen.cause == causeKilled && oomKills() > c.kills)
}

func (c *checkup) named(kind Kind, format string, args ...any) *Error {
	message := "service " + c.service.Name + " " + fmt.Sprintf(format, args...)
	if c.said != "" {
		message += "; its restart failed: " + c.said
	}
	return &Error{Kind: kind, Message: message}
}

// hint adds what to do.
func (e *Error) hint(what string) *Error {
	e.Hint = what
	return e
}

func times(n int) string {
	if n == 1 {
		return "once so far"
	}
	return fmt.Sprintf("%d times so far", n)
}

// isUp is enough where there is no question.
func (c *checkup) isUp() error {
	switch {
	case c.seen.Running:
		return nil
	case c.seen.starting:
		return c.named(KindSlowStart, "is still starting: %s", c.seen.Detail).hint(c.longer())
	}
	return c.named(KindNotRunning, "does not run: %s", c.seen.Detail)
}

func (c *checkup) longer() string {
	return fmt.Sprintf("raise HEALTH_DEADLINE if it needs longer than %s", c.health.Deadline)
}

func (c *checkup) otherEachTime() *Error {
	return c.named(KindCrashLoop, "does not stay up: another process answers each time")
}

// rootCause prefers the orphan that holds the port to the service that
// therefore cannot start.
func (c *checkup) rootCause(ctx context.Context, err *Error) error {
	var orphan *Error
	if c.question != nil && c.question.port() != 0 {
		if _, proofErr := c.provePort(); errors.As(proofErr, &orphan) && orphan.Kind == KindOldRelease {
			orphan.Message += "; meanwhile " + err.Message
			return orphan
		}
	}
	if c.seen.Manager == managerSystemd {
		return withLog(ctx, c.service.Name, err)
	}
	return err
}

// explainSilence says more of a service that runs and does not answer: does it
// listen elsewhere, is it still at work, or does it do nothing?
func (c *checkup) explainSilence(err *Error) {
	if err.Kind != KindNoAnswer || !c.managed {
		return
	}
	if c.seen.starting {
		err.Kind = KindSlowStart
		err.Message += fmt.Sprintf("; service %s is still starting: %s", c.service.Name, c.seen.Detail)
		err.Hint = c.longer()
		return
	}
	port := c.question.port()
	if port == 0 || c.seen.PID == 0 {
		return
	}
	who := fmt.Sprintf("; service %s runs (pid %d)", c.service.Name, c.seen.PID)
	ports, known := process(c.seen.PID).listensOn()
	busy, isBusy := c.effort.since(c.seen.PID)
	switch {
	case len(ports) > 0 && !ports[port]:
		err.Message += fmt.Sprintf("%s and listens on %s, not on %d", who, listOf(ports), port)
		err.Hint = fmt.Sprintf("HEALTH_URL or HEALTH_PORT names port %d: which is right?", port)
	case known && len(ports) == 0 && isBusy:
		err.Kind = KindSlowStart
		err.Message += fmt.Sprintf("%s, is at work (%s) and listens on no port yet", who, busy)
		err.Hint = c.longer()
	case known && len(ports) == 0:
		err.Message += who + ", does nothing and listens on no port"
		err.Hint = "does it start its server? What it waits for may be in its log; " + c.longer()
	}
}
