package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"deliver/host"
	"deliver/inventory"
)

// mostHops ends a ProxyJump that leads back to itself.
const mostHops = 8

// dialer makes connections, through jump hosts where ssh_config wants them.
type dialer struct{ opts Options }

// route is how a host is reached beyond what ssh_config says of it.
type route struct {
	hops  []string // the jump hosts before it; nil: as ssh_config says
	depth int
}

// connect resolves h, reaches it, checks its key and logs in.
func (d *dialer) connect(ctx context.Context, h inventory.Host, r route) (*connection, error) {
	if r.depth > mostHops {
		return nil, &host.Error{Kind: host.KindUnreachable, Message: fmt.Sprintf("%s: over %d jump hosts: does ProxyJump lead back to itself?", h.Name, mostHops)}
	}
	set, err := resolve(ctx, h, d.opts.ConfigFile)
	if err != nil {
		return nil, err
	}
	if d.opts.KnownHosts != "" {
		set.userKnownHosts = []string{d.opts.KnownHosts}
	}
	if r.hops != nil {
		set.jumps, set.proxyCommand = r.hops, ""
	}
	set.connectTimeout = cmp.Or(d.opts.ConnectTimeout, set.connectTimeout, DefaultConnectTimeout)
	via, err := d.jump(ctx, set, r.depth)
	if err != nil {
		return nil, through(set.name, err)
	}
	c, err := d.opts.Ramp.climb(ctx, set.name, func() (*connection, error) { return d.shake(ctx, set, via) })
	if err != nil && via != nil {
		via.close()
	}
	return c, err
}

// jump connects to the last hop before the host; nil: there is none. As with
// ssh -J, earlier hops named with it lead to that hop.
func (d *dialer) jump(ctx context.Context, set *settings, depth int) (*connection, error) {
	if len(set.jumps) == 0 {
		return nil, nil
	}
	last := len(set.jumps) - 1
	hop, err := parseJump(set.jumps[last])
	if err != nil {
		return nil, &host.Error{Kind: host.KindFailed, Message: err.Error()}
	}
	r := route{depth: depth + 1}
	if last > 0 {
		r.hops = set.jumps[:last]
	}
	return d.connect(ctx, hop, r)
}

// through says for which host a jump host was needed.
func through(name string, err error) error {
	var e *host.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: jump host: %w", name, err)
	}
	return &host.Error{Kind: e.Kind, Message: name + ": jump host " + e.Message, Hint: e.Hint}
}

// shake does one handshake: a line, the host's key, the login.
func (d *dialer) shake(ctx context.Context, set *settings, via *connection) (*connection, error) {
	tooLate := fmt.Errorf("no answer within %s", set.connectTimeout)
	limited, cancel := context.WithTimeoutCause(ctx, set.connectTimeout, tooLate)
	defer cancel()
	a := &attempt{set: set, stage: "ask the agent for keys"}
	if err := a.prepare(limited, d.opts.HostKeys); err != nil {
		return nil, err
	}
	defer a.keys.close()
	if limited.Err() != nil {
		return nil, a.failed(ctx, limited, limited.Err())
	}
	a.reach("connect")
	line, err := openLine(limited, set, via)
	if err != nil {
		return nil, a.failed(ctx, limited, err)
	}
	a.reach("shake hands")
	stop := context.AfterFunc(limited, func() { line.abort(); a.keys.close() })
	conn, channels, requests, err := ssh.NewClientConn(line, a.hostKeys.address, a.config())
	if !stop() && err == nil {
		err = context.Cause(limited)
		conn.Close()
	}
	if err != nil {
		return nil, a.failed(ctx, limited, line.explain(err))
	}
	p := patience{
		answer:   set.connectTimeout,
		interval: cmp.Or(set.aliveInterval, d.opts.KeepAlive),
		missed:   cmp.Or(set.aliveCount, mostMissed),
	}
	return newConnection(set.name, ssh.NewClient(conn, channels, requests), line, p), nil
}
