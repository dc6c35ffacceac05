package delivery_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/inventory"
	"deliver/rollout"
)

// counted knows how many of a fleet's servers were opened and closed.
type counted struct{ opened, closed atomic.Int64 }

type countedServer struct {
	host.Server
	*counted
}

// Close closes and counts.
func (s countedServer) Close() error {
	s.closed.Add(1)
	return s.Server.Close()
}

func (c *counted) count(open func(context.Context, inventory.Host) (host.Server, error)) func(context.Context, inventory.Host) (host.Server, error) {
	return func(ctx context.Context, h inventory.Host) (host.Server, error) {
		c.opened.Add(1)
		server, err := open(ctx, h)
		if err != nil {
			return nil, err
		}
		return countedServer{server, c}, nil
	}
}

func TestServersAreReachedWhileABuildIsRead(t *testing.T) {
	t.Parallel()
	s, c := newServers(t, "h1", "h2", "h3"), &counted{}
	d := s.delivery(app(t, "v1"))
	d.Open = c.count(d.Open)
	forget := d.ReachAhead(t.Context())
	require.Eventually(t, func() bool { return c.opened.Load() == 3 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, rollout.OK, d.Deliver(t.Context()).Result)
	forget()
	s.runs("v1")
	assert.Equal(t, []int64{3, 3}, []int64{c.opened.Load(), c.closed.Load()}, "each once")
}

func TestAServerThatIsNotReachedAheadIsOutOfReach(t *testing.T) {
	t.Parallel()
	s := newServers(t, "h1", "h2")
	s.down["h2"] = &host.Error{Kind: host.KindUnreachable, Message: "h2: no route"}
	d := s.delivery(app(t, "v1"))
	defer d.ReachAhead(t.Context())()
	out := d.Deliver(t.Context())
	assert.Equal(t, rollout.Failed, out.Result)
	assert.Contains(t, s.said(), "h2: no route")
	s.runs("")
}

func TestServersThatAreReachedInVainAreLetGo(t *testing.T) {
	t.Parallel()
	s, c := newServers(t, "h1", "h2"), &counted{}
	d := s.delivery(app(t, "v1"))
	stuck := make(chan struct{})
	d.Open = c.count(func(ctx context.Context, h inventory.Host) (host.Server, error) {
		if h.Name == "h2" {
			close(stuck)
			<-ctx.Done() // a server that does not answer
			return nil, errors.New("given up")
		}
		return s.open(ctx, h)
	})
	forget := d.ReachAhead(t.Context())
	<-stuck
	forget() // as when the build turns out to be none
	assert.Equal(t, []int64{2, 1}, []int64{c.opened.Load(), c.closed.Load()})
}
