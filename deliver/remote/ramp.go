package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/semaphore"

	"deliver/host"
)

// defaultPatience outlasts a jump host's MaxStartups, and a reboot not.
const defaultPatience = 30 * time.Second

// Ramp bounds how many handshakes are under way at once, so that neither a
// jump host's MaxStartups nor this machine is run over.
type Ramp struct {
	// Patience is how long a server may turn connections away before it is
	// given up; zero: 30 s.
	Patience time.Duration
	slots    *semaphore.Weighted
}

// NewRamp returns a Ramp of that many handshakes at once.
func NewRamp(handshakes int) *Ramp {
	return &Ramp{slots: semaphore.NewWeighted(int64(max(handshakes, 1)))}
}

// turnedAway is a connection that the server ended before the handshake, as
// sshd does over its MaxStartups. Trying again later helps.
type turnedAway struct{ error }

func (t turnedAway) Unwrap() error { return t.error }

// climb makes a connection when there is room, again and again while the
// server turns it away.
func (r *Ramp) climb(ctx context.Context, name string, shake func() (*connection, error)) (*connection, error) {
	tries := 0
	operation := func() (*connection, error) {
		if err := r.slots.Acquire(ctx, 1); err != nil {
			return nil, backoff.Permanent(context.Cause(ctx))
		}
		defer r.slots.Release(1)
		tries++
		c, err := shake()
		if away := (turnedAway{}); err == nil || errors.As(err, &away) {
			return c, err
		}
		return nil, backoff.Permanent(err)
	}
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, Multiplier: 1.6,
		RandomizationFactor: 0.5, MaxInterval: 2 * time.Second,
	}
	c, err := backoff.Retry(ctx, operation, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(cmp.Or(r.Patience, defaultPatience)))
	if away := (turnedAway{}); errors.As(err, &away) {
		return nil, neverGreeted(name, tries, away)
	}
	return c, err
}

func neverGreeted(name string, tries int, err error) error {
	return &host.Error{
		Kind:    host.KindUnreachable,
		Message: fmt.Sprintf("%s: the server closed the connection before the handshake, %d times: %v", name, tries, err),
		Hint:    "is this an SSH port? Over MaxStartups, or with PerSourcePenalties or hosts.deny, sshd does this too: see its log",
	}
}
