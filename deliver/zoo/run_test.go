package zoo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"deliver/host"
	"deliver/host/hosttest"
)

// outcome is what was said of one release that was delivered.
type outcome struct {
	variant
	verdict error // deliver's
	broken  error // the run itself
	atOnce  bool  // the manager's word right after the restart: it is up
	polled  bool  // it said so every second
}

// run delivers v1, which is well, and then the animal as v2.
func run(t *testing.T, k keeper, s service, polls int) outcome {
	o := outcome{variant: s.variant}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	defer k.end(s)
	srv := server(k, s.root)
	old := s.old
	if old == "" {
		old = plain
	}
	for id, args := range map[string]string{"v1": old, "v2": s.args} {
		b := hosttest.Make(t, id, hosttest.File("args", s.fill(args)), hosttest.File("id", id))
		if _, err := srv.Receive(ctx, b.Record, b.Reader(), nil); err != nil {
			o.broken = fmt.Errorf("receive %s: %w", id, err)
			return o
		}
	}
	if err := k.keep(s); err != nil {
		o.broken = fmt.Errorf("make the service: %w", err)
		return o
	}
	if err := s.deliver(ctx, srv, "v1", nil); err != nil {
		o.broken = fmt.Errorf("the good release before it: %w", err)
		return o
	}
	watched := make(chan struct{})
	o.verdict = s.deliver(ctx, srv, "v2", func() {
		go func() {
			defer close(watched)
			o.atOnce, o.polled = watch(k, s.name, polls)
		}()
	})
	<-watched
	return o
}

// fill sets what depends on the service in an animal's arguments.
func (s service) fill(args string) string {
	return strings.NewReplacer(
		"-eat", s.eats, "AT", fmt.Sprintf("127.0.0.1:%d", s.port), "ELSEWHERE", fmt.Sprintf("127.0.0.1:%d", s.elsewhere), "ROOT", s.root,
	).Replace(args)
}

// deliver is what deliver does on a server; restarted is called in between.
func (s service) deliver(ctx context.Context, srv host.Server, id string, restarted func()) error {
	if _, err := srv.Switch(ctx, id, ""); err != nil {
		return err
	}
	managed := host.Service{Manager: s.manager, Name: s.name}
	err := srv.Restart(ctx, managed)
	if restarted != nil {
		restarted()
	}
	if err != nil {
		return err
	}
	_, err = srv.Check(ctx, s.health(id), managed, id)
	return err
}

// health is the question: four good answers in a row, half a second apart.
func (s service) health(id string) host.Health {
	h := host.Health{Rise: 4, Interval: 500 * time.Millisecond, Timeout: 2 * time.Second, Deadline: time.Minute, AfterRestart: true}
	switch s.kind {
	case host.KindSlowStart, host.KindNoAnswer, host.KindHang, host.KindBadAnswer, host.KindOldRelease: // only time tells
		if id == "v2" {
			h.Deadline = 6 * time.Second
		}
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/", s.port)
	switch s.question {
	case page:
		h.URL = url
	case port:
		h.Port = s.port
	case cmd:
		h.Command = s.asker + " ask " + url
	}
	return h
}

// watch asks the manager right away, and then every second.
func watch(k keeper, name string, polls int) (atOnce, polled bool) {
	again := time.NewTicker(time.Second)
	defer again.Stop()
	atOnce = k.isUp(name)
	polled = atOnce
	for range polls {
		<-again.C
		polled = k.isUp(name) && polled
	}
	return atOnce, polled
}

// isGreen says whether deliver took the release for good.
func (o outcome) isGreen() bool { return o.verdict == nil && o.broken == nil }

// wrong is what is wrong with deliver's verdict, empty if nothing.
func (o outcome) wrong() string {
	var known *host.Error
	switch {
	case o.broken != nil:
		return "it could not be told: " + o.broken.Error()
	case o.good && o.verdict != nil:
		return "false red: " + o.verdict.Error()
	case o.good:
		return ""
	case o.verdict == nil:
		return "false green"
	case !errors.As(o.verdict, &known):
		return "an error without a name: " + o.verdict.Error()
	case known.Kind != o.naming().kind:
		return fmt.Sprintf("called %s, not %s: %s", known.Kind, o.naming().kind, known.Error())
	case !strings.Contains(known.Error(), o.naming().words):
		return fmt.Sprintf("it does not say %q: %s", o.naming().words, known.Error())
	}
	return ""
}
