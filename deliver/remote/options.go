package remote

import (
	"fmt"
	"time"
)

// HostKeyPolicy says what becomes of a server whose key is not known.
type HostKeyPolicy string

// The policies. A changed or revoked key is refused under each of them.
const (
	Strict    HostKeyPolicy = "strict"     // unknown keys are refused
	AcceptNew HostKeyPolicy = "accept-new" // unknown keys are remembered in known_hosts
)

// Defaults of Options.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultKeepAlive      = 15 * time.Second
	DefaultHandshakes     = 8
)

// Options say how servers are reached. The zero value is a strict default. A
// run that dials many servers shares one Ramp and one Helper among them.
type Options struct {
	// User logs in where HOSTS names nobody; it wins over ssh_config.
	User string
	// ConfigFile is read instead of ~/.ssh/config and /etc/ssh/ssh_config,
	// as `ssh -F` does.
	ConfigFile string
	// KnownHosts is read, and added to, instead of ssh_config's UserKnownHostsFile.
	KnownHosts string
	HostKeys   HostKeyPolicy
	// ConnectTimeout covers TCP, handshake and login of each hop; zero leaves
	// it to ssh_config, then to DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// KeepAlive is how long a connection may be silent before it is asked for
	// a sign of life; after three such times without one it is given up.
	KeepAlive time.Duration
	Helper    Helper
	Ramp      *Ramp
}

// Validate says which option is wrong.
func (o Options) Validate() error {
	switch {
	case o.HostKeys != "" && o.HostKeys != Strict && o.HostKeys != AcceptNew:
		return fmt.Errorf("host key policy %q: want %s or %s", o.HostKeys, Strict, AcceptNew)
	case o.ConnectTimeout < 0:
		return fmt.Errorf("connect timeout %s: want a positive duration", o.ConnectTimeout)
	case o.KeepAlive < 0:
		return fmt.Errorf("keep-alive interval %s: want a positive duration", o.KeepAlive)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.HostKeys == "" {
		o.HostKeys = Strict
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.Helper == nil {
		o.Helper = Executable()
	}
	if o.Ramp == nil {
		o.Ramp = NewRamp(DefaultHandshakes)
	}
	return o
}
