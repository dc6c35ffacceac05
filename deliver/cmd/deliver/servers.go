package main

import (
	"bytes"
	"context"
	"io"
	"strings"

	"deliver/config"
	"deliver/delivery"
	"deliver/host"
	"deliver/inventory"
	"deliver/remote"
)

// opener gives the way to servers: one connection for each, all of them with
// the same patience and the same helper.
func opener(s config.Settings) func(context.Context, inventory.Host) (host.Server, error) {
	options := remote.Options{
		User:           s.AppUser,
		ConfigFile:     s.SSHConfig,
		KnownHosts:     s.KnownHosts,
		HostKeys:       remote.HostKeyPolicy(s.HostKey),
		ConnectTimeout: s.SSHTimeout,
		Ramp:           remote.NewRamp(remote.DefaultHandshakes),
		Helper:         helper(),
	}
	place := placeOf(s)
	return func(ctx context.Context, h inventory.Host) (host.Server, error) {
		return remote.Dial(ctx, h, place, options)
	}
}

func placeOf(s config.Settings) host.Place {
	place := host.Place{App: s.App, Root: s.DeliverTo, SharedPaths: s.SharedPaths, SharedTrees: s.ShareTrees}
	if s.Link != "auto" {
		place.Link = s.Link
	}
	return place
}

func appOf(s config.Settings) delivery.App {
	return delivery.App{
		Place:   placeOf(s),
		Service: serviceOf(s),
		Health: host.Health{
			URL: s.HealthURL, Port: s.HealthPort, Command: s.HealthCmd,
			Rise: s.HealthRise, Interval: s.HealthInterval, Timeout: s.HealthTimeout, Deadline: s.HealthDeadline,
		},
		Keep: s.KeepReleases,
	}
}

func serviceOf(s config.Settings) host.Service {
	return host.Service{
		Manager: s.Supervisor, Name: s.Service, Command: s.RestartCmd,
		Procfile: s.Procfile, Formation: s.Formation, Port: s.Port, User: s.AppUser,
	}
}

// lines passes on what is written to it line by line. Whoever writes to it
// writes one thing at a time.
type lines struct {
	tell func(string)
	rest []byte
}

var _ io.Writer = (*lines)(nil)

// Write passes the whole lines on.
func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.tell(strings.TrimRight(string(line), "\r"))
		l.rest = rest
	}
}

// end passes on what had no newline at its end.
func (l *lines) end() {
	if len(l.rest) > 0 {
		l.tell(string(l.rest))
	}
}
