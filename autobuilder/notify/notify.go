// Package notify tells people and their programs what happens. What is to be
// told waits in the outbox of the ledger, per notifier; each of them is served
// by itself, so that one that is down delays neither a build nor the others.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"autobuilder/build"
)

// Sink is one place that is told: a chat room, a pager, a monitor.
type Sink interface {
	// Send tells of one message, and gives what the place calls the thread, for the
	// thread's next message (Message.Ref). A message with Tries may have arrived
	// before: a sink that can find out looks first. Of kinds that do not concern
	// it, a sink tells nothing. Every error means that the message comes again:
	// an ErrRefused for a time at most, one with a Later not before that time.
	Send(ctx context.Context, m Message) (ref string, err error)
	// Order says what has to be told in the order in which it happened.
	Order() build.Order
}

// ErrRefused says that the place understood a message and does not want it:
// a channel that is not there, a token that was withdrawn.
var ErrRefused = errors.New("refused")

// Later says that the place wants to be left alone for a while.
type Later struct {
	After time.Duration
	Err   error
}

// Error is what it said.
func (l *Later) Error() string { return fmt.Sprintf("%v (again in %s)", l.Err, l.After) }

// Unwrap is the error below.
func (l *Later) Unwrap() error { return l.Err }

// Outbox is where the messages wait: a part of the ledger.
type Outbox interface {
	// Tell says who hears of events from now on, and in which order.
	Tell(ctx context.Context, notifiers map[string]build.Order) error
	// Outbox are the first letters of each thread or project whose time has come, oldest first.
	Outbox(ctx context.Context, notifier string, now time.Time, limit int) ([]build.Letter, error)
	// Try is written before a letter is sent, Sent or Delay after it.
	Try(ctx context.Context, r build.Letter, now time.Time) error
	Sent(ctx context.Context, r build.Letter, ref string) error
	Delay(ctx context.Context, r build.Letter, until time.Time, why string) error
	// Forget removes what was told before the time.
	Forget(ctx context.Context, before time.Time) error
}

// Options are what messages are made of, and who gets them.
type Options struct {
	Outbox Outbox
	Sinks  map[string]Sink
	Write  Writer // makes a message of a letter
	Log    *slog.Logger
	Every  time.Duration // how soon an event is seen, and the first pause after a failure; 0 means 1 s
}

const (
	batch    = 50                  // letters in one look
	enough   = 3                   // failures in a row: it is down
	longest  = 5 * time.Minute     // pause
	sendTime = 20 * time.Second    // for one message
	grace    = 2 * time.Second     // for the one on its way when autobuilder is stopped
	giveUp   = 24 * time.Hour      // on what is refused
	giveWay  = time.Hour           // of what is refused to the rest of its project
	keep     = 30 * 24 * time.Hour // events that everybody has heard of
)

// Run tells until ctx ends. What it has not told then is told by the next Run.
func Run(ctx context.Context, o Options) error {
	if o.Every == 0 {
		o.Every = time.Second
	}
	orders := map[string]build.Order{}
	for name, sink := range o.Sinks {
		orders[name] = sink.Order()
	}
	if err := o.Outbox.Tell(ctx, orders); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop before it began
		}
		return fmt.Errorf("start telling: %w", err)
	}
	var lanes sync.WaitGroup
	for name, sink := range o.Sinks {
		lanes.Go(func() { newLane(o, name, sink).run(ctx) })
	}
	lanes.Go(func() { forget(ctx, o) })
	lanes.Wait()
	return nil
}

func forget(ctx context.Context, o Options) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := o.Outbox.Forget(ctx, time.Now().Add(-keep)); err != nil && ctx.Err() == nil {
			o.Log.Warn("old events not forgotten", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
