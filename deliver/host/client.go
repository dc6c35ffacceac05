package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"deliver/release"
)

// Client is a Server whose operations happen at the far side of a session,
// where Serve runs. The first operation opens it, all others share it; where
// it is lost, those under way fail, and the next one opens another.
type Client struct {
	place Place
	open  func(context.Context) (Session, error)
	token atomic.Int64 // of the lease that requests carry; 0: none

	opening *semaphore.Weighted // of one at a time
	talk    *conversation       // nil: there was none yet
}

var _ Server = (*Client)(nil)

// NewClient returns the Server for place at the far side of what open gives.
func NewClient(place Place, open func(context.Context) (Session, error)) *Client {
	return &Client{place: place, open: open, opening: semaphore.NewWeighted(1)}
}

// Begin begins the conversation, so that the first operation need not.
func (c *Client) Begin(ctx context.Context) error {
	_, err := c.conversation(ctx)
	return err
}

// Look reports the server's state and changes nothing.
func (c *Client) Look(ctx context.Context, service Service) (State, error) {
	return ask[State](ctx, c, opLook, lookArgs{Service: service}, build{})
}

// Receive sends the build, if the far side asks for it.
func (c *Client) Receive(ctx context.Context, rec release.Record, r io.Reader, progress func(int64)) (Receipt, error) {
	return ask[Receipt](ctx, c, opReceive, receiveArgs{Record: rec}, build{whole(r), progress})
}

// Update sends what the far side says that it lacks.
func (c *Client) Update(ctx context.Context, rec release.Record, base Base, parts Parts, progress func(int64)) (Receipt, error) {
	return ask[Receipt](ctx, c, opUpdate, updateArgs{Record: rec, Base: base}, build{parts, progress})
}

// Pull sends where the far side gets what it says that it lacks.
func (c *Client) Pull(ctx context.Context, rec release.Record, base Base, orders Orders, progress func(int64)) (Receipt, error) {
	parts := func(lacks []Range) (io.Reader, error) {
		order, err := orders(lacks)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(order)
		return bytes.NewReader(text), err
	}
	return ask[Receipt](ctx, c, opPull, updateArgs{Record: rec, Base: base}, build{parts, progress})
}

// Manifest is the manifest of release id.
func (c *Client) Manifest(ctx context.Context, id string) ([]byte, error) {
	return ask[[]byte](ctx, c, opManifest, manifestArgs{ID: id}, build{})
}

// Switch points `current` to the release id.
func (c *Client) Switch(ctx context.Context, id, over string) (Switched, error) {
	return ask[Switched](ctx, c, opSwitch, switchArgs{ID: id, Over: over}, build{})
}

// Restart restarts the service.
func (c *Client) Restart(ctx context.Context, service Service) error {
	_, err := ask[nothing](ctx, c, opRestart, restartArgs{Service: service}, build{})
	return err
}

// Check waits until the app is healthy in release id.
func (c *Client) Check(ctx context.Context, health Health, service Service, id string) (Checked, error) {
	return ask[Checked](ctx, c, opCheck, checkArgs{Health: health, Service: service, ID: id}, build{})
}

// Hook runs a hook of release id.
func (c *Client) Hook(ctx context.Context, name, id string, env map[string]string) (string, error) {
	res, err := ask[hookResult](ctx, c, opHook, hookArgs{Name: name, ID: id, Env: env}, build{})
	if err != nil {
		return "", err
	}
	if res.Failed != nil {
		return res.Output, res.Failed
	}
	return res.Output, nil
}

// Record appends to the server's history.
func (c *Client) Record(ctx context.Context, entry Entry) error {
	_, err := ask[nothing](ctx, c, opRecord, historyArgs{Entry: entry}, build{})
	return err
}

// Prune removes old releases.
func (c *Client) Prune(ctx context.Context, keep int) ([]string, error) {
	return ask[[]string](ctx, c, opPrune, pruneArgs{Keep: keep}, build{})
}

// History is the newest entries of the server's history.
func (c *Client) History(ctx context.Context, limit int) ([]Entry, error) {
	return ask[[]Entry](ctx, c, opHistory, entriesArgs{Limit: limit}, build{})
}

// Claim takes the server's lease, or renews it.
func (c *Client) Claim(ctx context.Context, claim Claim) (Claimed, error) {
	claimed, err := ask[Claimed](ctx, c, opClaim, claimArgs{Claim: claim}, build{})
	if err == nil && claimed.Granted {
		c.token.Store(claimed.Lease.Token)
	}
	return claimed, err
}

// Release gives the lease back.
func (c *Client) Release(ctx context.Context) error {
	if c.token.Load() == 0 {
		return nil
	}
	_, err := ask[nothing](ctx, c, opRelease, nothing{}, build{})
	c.token.Store(0)
	return err
}

// Pin pins the server, or takes the pin away.
func (c *Client) Pin(ctx context.Context, pin *Pin) error {
	_, err := ask[nothing](ctx, c, opPin, pinArgs{Pin: pin}, build{})
	return err
}

// Close ends the session, if there is one.
func (c *Client) Close() error {
	_ = c.opening.Acquire(context.Background(), 1)
	defer c.opening.Release(1)
	if c.talk != nil {
		c.talk.close()
	}
	return nil
}

// conversation is the one there is, or a new one.
func (c *Client) conversation(ctx context.Context) (*conversation, error) {
	if c.opening.Acquire(ctx, 1) != nil {
		return nil, context.Cause(ctx)
	}
	defer c.opening.Release(1)
	if c.talk != nil && c.talk.alive() && c.talk.session.Alive(ctx) {
		return c.talk, nil
	}
	session, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if c.talk != nil {
		c.talk.close()
	}
	c.talk = converse(session)
	return c.talk, nil
}

func ask[T any](ctx context.Context, c *Client, op string, args any, b build) (T, error) {
	var result T
	req := Request{V: wireVersion, Op: op, Timeout: timeLeft(ctx), Place: c.place, Token: c.token.Load()}
	var err error
	if req.Args, err = json.Marshal(args); err != nil {
		return result, fmt.Errorf("%s: encode the request: %w", op, err)
	}
	answer, err := c.exchange(ctx, req, b)
	if err != nil {
		return result, err
	}
	if len(answer) == 0 {
		return result, nil
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return result, notUnderstood(op, answer, err)
	}
	return result, nil
}

// exchange asks again what only looks, where the conversation was lost
// meanwhile: it may have been gone before.
func (c *Client) exchange(ctx context.Context, req Request, b build) (json.RawMessage, error) {
	for again := !looks(req.Op); ; again = true {
		talk, err := c.conversation(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", req.Op, err)
		}
		answer, err := talk.exchange(ctx, req, b)
		if err == nil || again || talk.alive() || ctx.Err() != nil || asError(err).Kind != KindUnreachable {
			return answer, err
		}
	}
}

func looks(op string) bool { return op == opLook || op == opManifest || op == opHistory }
