package host

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check waits until the app is healthy in release id, or says by its Kind why not.
func (l *Local) Check(ctx context.Context, health Health, service Service, id string) (Checked, error) {
	if err := l.require(id); err != nil {
		return Checked{}, err
	}
	health = health.withDefaults()
	question, err := l.question(health, id)
	if err != nil {
		return Checked{}, err
	}
	m, seen, err := l.findManager(ctx, service)
	if isRefusal(err) && question != nil { // its answers say more than its manager
		m, seen, err = noManager{}, sighting{ServiceState: ServiceState{Manager: managerNone}}, nil
	}
	if err == nil && !seen.Known && seen.Manager != managerNone {
		err = unknown(seen, service.Name)
	}
	if err != nil {
		return Checked{}, err
	}
	if question == nil && seen.Manager == managerNone {
		return Checked{Detail: "nothing was asked: no service manager and no health question is set"}, nil
	}
	c := &checkup{
		local: l, health: health, service: service, id: id,
		manager: m, managed: seen.Manager != managerNone, question: question,
	}
	if m, ok := l.recall(seen.Manager, service.Name); ok {
		c.watch = watch{begun: true, pid: m.PID, restarts: m.Restarts}
	}
	return c.run(ctx)
}

func (h Health) withDefaults() Health {
	h.Rise = max(h.Rise, 1)
	for _, d := range []struct {
		field *time.Duration
		usual time.Duration
	}{{&h.Interval, time.Second}, {&h.Timeout, 5 * time.Second}, {&h.Deadline, time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.usual
		}
	}
	return h
}

// checkup is one Check under way.
type checkup struct {
	local    *Local
	health   Health
	service  Service
	id       string
	manager  manager
	managed  bool     // the manager can be asked how the service is
	question question // nil: a running service is enough
	watch    watch
	seen     sighting // the latest
	checked  Checked
	good     int // in a row
}

func (c *checkup) run(ctx context.Context) (Checked, error) {
	start := time.Now()
	deadline, cancel := context.WithTimeout(ctx, c.health.Deadline)
	defer cancel()
	end, _ := deadline.Deadline()
	again := time.NewTicker(c.health.Interval)
	defer again.Stop()
	var wrong error
	for {
		final, err := c.once(deadline)
		c.checked.Took = time.Since(start)
		if final || (err == nil && c.good >= c.needed()) {
			return c.checked, err
		}
		// A last question that was cut short tells nothing, unless nothing else does.
		if time.Now().Before(end) || (wrong == nil && c.good == 0) {
			wrong = err
		}
		select {
		case <-deadline.Done():
			return c.checked, c.outOfTime(ctx, wrong)
		case <-again.C:
		}
	}
}

// needed is how many looks must be good: to stay well for Rise intervals is to
// be seen so once more.
func (c *checkup) needed() int {
	if c.question == nil {
		return c.health.Rise + 1
	}
	return c.health.Rise
}

// once looks and asks once. What is final does not get better by waiting.
func (c *checkup) once(ctx context.Context) (final bool, err error) {
	if final, err := c.lookAtService(ctx); err != nil {
		c.good = 0
		return final, err
	}
	if err := c.ask(ctx); err != nil {
		c.good = 0
		return false, err
	}
	proof, err := c.prove()
	if err != nil {
		c.good = 0
		return false, err
	}
	c.checked.PID, c.checked.Proven, c.checked.Detail = proof.pid, proof.proven, proof.detail
	if !c.managed && c.watch.see(proof.pid, 0) {
		c.good = 0
		return c.watch.looping(), c.crashLoop("another process answers each time")
	}
	c.good++
	return false, nil
}

func (c *checkup) ask(ctx context.Context) error {
	c.checked.Answers++
	if c.question != nil {
		ctx, cancel := context.WithTimeout(ctx, c.health.Timeout)
		defer cancel()
		return c.question.ask(ctx)
	}
	if !c.seen.Running {
		return c.notRunning(c.seen.Detail)
	}
	return nil
}

// lookAtService sees whether the service ended or was started anew.
func (c *checkup) lookAtService(ctx context.Context) (final bool, err error) {
	if !c.managed {
		return false, nil
	}
	seen, err := c.manager.look(ctx, c.service.Name)
	if err != nil {
		return false, err
	}
	c.seen = seen
	changed := c.watch.see(seen.PID, seen.restarts)
	switch {
	case seen.ended != "":
		return true, c.rootCause(ctx, c.notRunning(seen.ended))
	case seen.failing != "":
		return true, c.rootCause(ctx, c.crashLoop(seen.failing))
	case changed && c.watch.looping():
		return true, c.rootCause(ctx, c.crashLoop(seen.Detail))
	case changed:
		c.good = 0
	}
	return false, nil
}

// rootCause prefers the orphan that holds the port to the service that
// therefore cannot start.
func (c *checkup) rootCause(ctx context.Context, err *Error) error {
	var orphan *Error
	if c.question != nil && c.question.port() != 0 {
		if _, proofErr := c.provePort(); errors.As(proofErr, &orphan) {
			orphan.Message += "; meanwhile " + err.Message
			return orphan
		}
	}
	if c.seen.Manager == managerSystemd {
		return withLog(ctx, c.service.Name, err)
	}
	return err
}

func (c *checkup) notRunning(why string) *Error {
	return &Error{Kind: KindNotRunning, Message: fmt.Sprintf("service %s does not run: %s", c.service.Name, why)}
}

func (c *checkup) crashLoop(why string) *Error {
	return &Error{Kind: KindCrashLoop, Message: fmt.Sprintf("service %s ends and is started again: %s", c.service.Name, why)}
}

func (c *checkup) outOfTime(ctx context.Context, wrong error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("check: %w", context.Cause(ctx))
	}
	known := asError(wrong)
	if wrong == nil {
		known = &Error{Kind: KindNoAnswer, Message: fmt.Sprintf("%d good answers in a row were too few", c.good)}
	}
	late := *known
	late.Message = fmt.Sprintf("release %s is not healthy after %s: %s", c.id, c.checked.Took.Round(100*time.Millisecond), known.Message)
	return &late
}

// watch notices that a service's process is another one than before.
type watch struct {
	begun    bool
	pid      int
	restarts int
	changes  int
}

// see takes the next look; it reports whether the process has changed.
func (w *watch) see(pid, restarts int) bool {
	more := 0
	if w.begun {
		more = max(restarts-w.restarts, 0)
	}
	if w.pid != 0 && pid != 0 && pid != w.pid {
		more = max(more, 1)
	}
	w.begun, w.restarts = true, restarts
	if pid != 0 {
		w.pid = pid
	}
	w.changes += more
	return more > 0
}

// looping is what a change is when it is not the first.
func (w *watch) looping() bool { return w.changes > 1 }
