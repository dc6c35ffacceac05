package notify

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"autobuilder/build"
)

// lane serves one notifier: the threads beside each other, each in its order.
type lane struct {
	Options
	name  string
	sink  Sink
	retry *backoff.ExponentialBackOff
}

func newLane(o Options, name string, sink Sink) *lane {
	return &lane{Options: o, name: name, sink: sink, retry: newBackOff(o.Every)}
}

func newBackOff(first time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = first, longest
	return b
}

func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(l.step(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// step tells what there is to tell now, and says when to look again. A message
// that fails keeps its thread back; several in a row mean that the place is down.
func (l *lane) step(ctx context.Context) time.Duration {
	letters, err := l.Outbox.Outbox(ctx, l.name, time.Now(), batch)
	if err != nil {
		return l.down(ctx, err)
	}
	told, failures := 0, 0
	for _, letter := range letters {
		if err := l.tell(ctx, letter); err != nil {
			failures++
			if later := new(Later); errors.As(err, &later) {
				return later.After
			}
			if failures == enough || ctx.Err() != nil {
				return l.down(ctx, err)
			}
			continue
		}
		told, failures = told+1, 0
		l.retry.Reset()
	}
	if told > 0 {
		return 0 // it may have been the first of its thread
	}
	return l.Every
}

func (l *lane) down(ctx context.Context, err error) time.Duration {
	wait := l.retry.NextBackOff()
	if ctx.Err() == nil {
		l.Log.Warn("notifier does not answer", "notifier", l.name, "error", err, "again_in", wait)
	}
	return wait
}

// tell sends one letter. That it is sent is written first: killed from there
// on, the next try knows that it may have arrived.
func (l *lane) tell(ctx context.Context, letter build.Letter) error {
	message, err := l.Write.write(ctx, letter)
	if err == nil {
		err = l.Outbox.Try(ctx, letter, time.Now())
	}
	if err != nil {
		return err
	}
	ref, err := l.send(ctx, message)
	if err == nil {
		return l.Outbox.Sent(context.WithoutCancel(ctx), letter, ref) // or it would be sent again
	}
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, l.delay(ctx, letter, err))
}

// send lets a message that is on its way arrive when autobuilder is stopped: one
// that is broken off is in doubt.
func (l *lane) send(ctx context.Context, m Message) (string, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()
	return l.sink.Send(sending, m)
}

// delay puts a letter back. One that is refused for too long is given up, since
// it keeps the rest of its thread, or of its project, waiting.
func (l *lane) delay(ctx context.Context, letter build.Letter, why error) error {
	enough := giveUp
	if l.sink.Order() == build.ByProject {
		enough = giveWay
	}
	if errors.Is(why, ErrRefused) && letter.Tries > 0 && time.Since(letter.Begun) > enough {
		l.Log.Error("message given up", "notifier", l.name, "event", letter.Seq, "kind", letter.Kind, "build", letter.Build, "error", why)
		return l.Outbox.Sent(ctx, letter, letter.Ref)
	}
	l.Log.Warn("message not taken", "notifier", l.name, "event", letter.Seq, "kind", letter.Kind, "build", letter.Build, "error", why)
	text := NewRedactor(l.Write.Secrets).Text(why.Error()) // the page shows it
	return l.Outbox.Delay(ctx, letter, time.Now().Add(l.pause(letter.Tries)), text)
}

// pause is the time until a letter is tried again that was tried so often before.
func (l *lane) pause(tries int) time.Duration {
	b := newBackOff(l.Every)
	wait := b.NextBackOff()
	for range min(tries, mostSteps) {
		wait = b.NextBackOff()
	}
	return wait
}

// mostSteps lead from any first pause to the longest.
const mostSteps = 30
