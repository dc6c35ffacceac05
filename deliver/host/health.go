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
		manager: m, managed: seen.Manager != managerNone, question: question, kills: oomKills(),
	}
	if health.AfterRestart {
		c.goOn(seen.Manager)
	}
	checked, err := c.run(ctx)
	if health.AfterRestart && err == nil && c.managed {
		l.leave(c.memory())
	}
	return checked, err
}

// memory is for the next Check, which counts from this one on.
func (c *checkup) memory() memory {
	return memory{Manager: c.seen.Manager, Name: c.service.Name, PIDs: c.watch.pids, Up: c.watch.up, Restarts: c.watch.restarts, Kills: c.kills}
}

// goOn counts from the restart on.
func (c *checkup) goOn(manager string) {
	if m, ok := c.local.recall(manager, c.service.Name); ok {
		c.watch, c.kills, c.said = m.watch(), m.Kills, m.Said
	}
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
	kills    int       // by the kernel for lack of memory, before the restart
	said     string    // by a manager that could not start the service
	seen     sighting  // the latest
	ended    time.Time // when it was first seen so, while that is open
	effort   effort
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
	if !c.managed && c.watch.see(sighting{counts: true, ServiceState: ServiceState{PID: proof.pid}}) {
		c.good = 0
		return c.watch.looping(), c.otherEachTime()
	}
	if c.good++; c.good >= c.needed() {
		return c.lookAtService(ctx) // it may have died of the last question
	}
	return false, nil
}

func (c *checkup) ask(ctx context.Context) error {
	c.checked.Answers++
	if c.question == nil {
		return c.isUp()
	}
	asking, cancel := context.WithTimeout(ctx, c.health.Timeout)
	defer cancel()
	err := c.question.ask(asking)
	if err != nil {
		c.effort.note(c.seen.PID)
	}
	return err
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
	changed := c.watch.see(seen)
	if wrong := c.verdict(); wrong != nil {
		return c.isCertain(), c.rootCause(ctx, wrong)
	}
	if changed {
		c.good = 0
	}
	return false, nil
}

func (c *checkup) outOfTime(ctx context.Context, wrong error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("check: %w", context.Cause(ctx))
	}
	if wrong == nil {
		wrong = &Error{Kind: KindNoAnswer, Message: fmt.Sprintf("%d good answers in a row were too few", c.good)}
	}
	if ended := c.lastLook(ctx); ended != nil {
		wrong = ended
	}
	late := *asError(wrong)
	c.explainSilence(&late)
	late.Message = fmt.Sprintf("release %s is not healthy after %s: %s", c.id, c.checked.Took.Round(100*time.Millisecond), late.Message)
	return &late
}

// lastLook is for a service that ended after the latest look: the manager of a
// busy machine may take long to tell.
func (c *checkup) lastLook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	_, err := c.lookAtService(ctx)
	var ended *Error
	if errors.As(err, &ended) && ended.Kind != KindService {
		return ended
	}
	return nil
}
