package notify

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"

	"autobuilder/build"
)

// StatsD counts events, and times builds. It answers nothing, so that nobody can
// tell whether it heard: a count that autobuilder was killed in is sent again.
type StatsD struct {
	Address string // host:port, UDP
	Prefix  string
}

// Order is that of each release.
func (StatsD) Order() build.Order { return build.ByThread }

// Send counts the event; of one that ends a build also how long it took.
func (s StatsD) Send(ctx context.Context, m Message) (string, error) {
	name := metric(s.Prefix, m)
	lines := []string{name + ":1|c"}
	if took := m.About.Ended.Sub(m.About.Started); m.ends() && took > 0 {
		lines = append(lines, fmt.Sprintf("%s.time:%d|ms", name, took.Milliseconds()))
	}
	return "", write(ctx, "udp", s.Address, strings.Join(lines, "\n"))
}

func (m Message) ends() bool {
	return m.Kind == build.EventSucceeded || m.Kind == build.EventFailed || m.Kind == build.EventAborted
}

// Carbon writes a point for each event into Graphite, for the vertical lines of
// a graph (drawAsInfinite). Written twice, it is the same point.
type Carbon struct {
	Address string // host:port, TCP, the plaintext protocol
	Prefix  string
}

// Order is that of each release.
func (Carbon) Order() build.Order { return build.ByThread }

// Send writes the point.
func (c Carbon) Send(ctx context.Context, m Message) (string, error) {
	return "", write(ctx, "tcp", c.Address, fmt.Sprintf("%s 1 %d\n", metric(c.Prefix, m), m.At.Unix()))
}

var unclean = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// metric is PREFIX.PROJECT.EVENT; a dot would make another level of a name.
func metric(prefix string, m Message) string {
	return prefix + "." + unclean.ReplaceAllString(m.Project.Name, "_") + "." + string(m.Kind)
}

func write(ctx context.Context, network, address, text string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	if err == nil {
		_, err = conn.Write([]byte(text))
	}
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	return err
}
