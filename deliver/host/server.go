// Package host is all that can happen on a server: a release received,
// verified, switched to, restarted, checked, pruned and remembered.
package host

import (
	"context"
	"io"
	"time"

	"deliver/release"
)

// Place is where an app lives on a server.
type Place struct {
	App  string `json:"app"`
	Root string `json:"root"` // DELIVER_TO; a leading ~ or ~user is a home directory there
	// SharedPaths are linked from Root/shared into every release.
	SharedPaths []string `json:"shared_paths,omitempty"`
	// SharedTrees are directories of a release that are kept once for all
	// releases that have the same, and linked to.
	SharedTrees []string `json:"shared_trees,omitempty"`
	// Link is LinkCopy where no file may be shared between releases.
	Link string `json:"link,omitempty"`
}

// Server is one server as a rollout uses it. Local is this machine; the remote
// package has the same over SSH; Dry passes on only what looks.
//
// Every method obeys its context's deadline. A method that fails leaves the
// server as it was, or complete: `current` never points to anything but a
// complete, verified release, whenever the process or the machine dies.
// An error that a caller acts on is an *Error with a Kind.
type Server interface {
	// Look reports the server's state and changes nothing.
	Look(ctx context.Context, service Service) (State, error)
	// Receive turns build, a zstd-compressed tar, into a complete and inactive
	// release. A release that is already there, whole, with the same digest
	// costs nothing and build is not read. progress gets the compressed
	// bytes taken so far; it may be nil.
	Receive(ctx context.Context, rec release.Record, build io.Reader, progress func(int64)) (Receipt, error)
	// Update is Receive for a server that may have part of the release: what base has
	// is taken from there, and parts is asked for the rest, once. A base that is
	// not here or not whole is refused with KindBase before that. Where
	// contents are still missing at the end, because files of the base are
	// not what they were, the error is of KindLacking: the same call again
	// asks for these alone. After any other failure, too, it asks only
	// for what has not come.
	Update(ctx context.Context, rec release.Record, base Base, parts Parts, progress func(int64)) (Receipt, error)
	// Pull is Update for a server that gets the stream itself, from where orders
	// says; orders is asked once. Where that place can't be reached, or does not give
	// what it should, the error is of KindStore: Update then asks only for what has not come.
	Pull(ctx context.Context, rec release.Record, base Base, orders Orders, progress func(int64)) (Receipt, error)
	// Manifest is the manifest of release id, as package manifest encodes it.
	Manifest(ctx context.Context, id string) ([]byte, error)
	// Switch points `current` to the release id and reports what it
	// pointed to. An empty id takes `current` away: it undoes the first delivery.
	// A release that is older than the current one is refused with KindOrder,
	// unless over names the current one: the caller means to go back from it, or
	// knows better.
	Switch(ctx context.Context, id, over string) (Switched, error)
	// Restart restarts the service; one that was not running is started. One
	// that does not stay up is left to Check, which tells why.
	Restart(ctx context.Context, service Service) error
	// Check waits until the app is healthy in release id, or says by its Kind why not.
	Check(ctx context.Context, health Health, service Service, id string) (Checked, error)
	// Hook runs the executable .deliver/hooks/NAME of release id, if there is one.
	// One whose name ends with OnceSuffix does not run again once it has
	// succeeded here, or once Record said that it did elsewhere.
	Hook(ctx context.Context, name, id string, env map[string]string) (output string, err error)
	// Record appends to the server's history; an entry whose Action is the name
	// of a hook that runs once, to what Look says of those.
	Record(ctx context.Context, entry Entry) error
	// Prune removes old releases: failed ones first, then the oldest, until
	// keep good ones are left. It never removes the current one or its predecessor.
	Prune(ctx context.Context, keep int) (removed []string, err error)
	// History is the newest entries of the server's history, at most limit, oldest first.
	History(ctx context.Context, limit int) ([]Entry, error)
	// Claim takes the server's lease, or renews it. Not to get it is no error: the
	// answer says who has it. From then on every step of this Server carries the
	// lease's token, and is refused with KindFenced once another has taken the lease over.
	// Steps without a lease are refused with KindLease while somebody has it.
	Claim(ctx context.Context, claim Claim) (Claimed, error)
	// Release gives the lease back. It survives no crash: a lease that is not
	// given back ends by itself.
	Release(ctx context.Context) error
	// Pin pins the server to what it runs, or takes the pin away where pin is nil.
	Pin(ctx context.Context, pin *Pin) error
	// Close ends the connection, if there is one.
	Close() error
}

// Base is a release from which another one is made; without an ID there is none.
type Base struct {
	ID   string `json:"id,omitempty"`
	Tree string `json:"tree,omitempty"` // its record's
}

// Parts gives the stream, as package delta writes it, of what a server lacks. Without
// ranges that is how the manifest differs from the base's and all contents that
// the base has not; else it is the contents at these positions of
// manifest.Contents, whole, and no manifest.
type Parts func(lacks []Range) (io.Reader, error)

// Range is from the first number to before the second.
type Range [2]int

// State is what Look found.
type State struct {
	Hostname   string           `json:"hostname"`
	User       string           `json:"user"`
	OS         string           `json:"os"`
	Arch       string           `json:"arch"`
	Root       string           `json:"root"`               // Place.Root, expanded
	Current    string           `json:"current,omitempty"`  // release id, empty before the first delivery
	Since      time.Time        `json:"since,omitzero"`     // when current was switched to
	Releases   []release.Record `json:"releases,omitempty"` // complete ones, oldest first
	FreeBytes  uint64           `json:"free_bytes"`
	FreeInodes uint64           `json:"free_inodes"`
	Service    ServiceState     `json:"service"`
	History    []Entry          `json:"history,omitempty"` // the newest few, oldest first
	Once       []Entry          `json:"once,omitempty"`    // likewise of the hooks that ran once
	Version    string           `json:"version"`           // of deliver on the server
	Lease      Lease            `json:"lease,omitzero"`
	Pin        *Pin             `json:"pin,omitempty"`
}

// ServiceState is what the service manager says.
type ServiceState struct {
	Manager string `json:"manager"`
	Known   bool   `json:"known"` // the manager knows a service of this name
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
	Detail  string `json:"detail,omitempty"` // the manager's own words
	// Restart is the commands that a restart runs here, as far as they can be
	// known beforehand.
	Restart []string `json:"restart,omitempty"`
}

// Service says how an app is restarted.
type Service struct {
	Manager string `json:"manager"`           // systemd, openrc, upstart, runit, supervisor, none, or "" to find out
	Name    string `json:"name"`              // unit, service directory or program; usually the app
	Command string `json:"command,omitempty"` // RESTART_CMD, run by sh in current; wins over Manager
	// Procfile is the path of one in the release, whose processes Restart
	// exports to Manager, with names that begin with Name.
	Procfile  string `json:"procfile,omitempty"`
	Formation string `json:"formation,omitempty"` // how many of each: web=2,worker=1; empty: one
	Port      int    `json:"port,omitempty"`      // of the first process; 0: PORT of .env, or 5000
	User      string `json:"user,omitempty"`      // whom the processes run as, where root exports them
}

// Health says how an app proves that it is well. With none of URL, Port and
// Command set, a running service is all that is asked for.
type Health struct {
	URL      string        `json:"url,omitempty"`     // asked on the server itself; 2xx and 3xx are good
	Port     int           `json:"port,omitempty"`    // a TCP connection is good
	Command  string        `json:"command,omitempty"` // run by sh in current; exit 0 is good
	Rise     int           `json:"rise"`              // good answers in a row
	Interval time.Duration `json:"interval"`          // between two questions
	Timeout  time.Duration `json:"timeout"`           // of one question
	Deadline time.Duration `json:"deadline"`          // of the whole check
	// AfterRestart is for the check of the Restart just before it, and for one more
	// of the same delivery: what the service has done since then counts, and not
	// only from now on.
	AfterRestart bool `json:"after_restart,omitempty"`
}

// Receipt is what Receive did.
type Receipt struct {
	Already bool  `json:"already"` // the release was there
	Bytes   int64 `json:"bytes"`   // compressed bytes read
	Files   int64 `json:"files"`
}

// Switched is what Switch did.
type Switched struct {
	Previous string `json:"previous,omitempty"` // release id; empty: there was none
}

// Checked is what Check saw.
type Checked struct {
	Answers int           `json:"answers"` // questions asked
	Took    time.Duration `json:"took"`
	PID     int           `json:"pid,omitempty"` // of the process that answered, where it could be seen
	// Proven says that the answering process was seen to run from the release.
	Proven bool   `json:"proven"`
	Detail string `json:"detail,omitempty"`
}

// Entry is one line of a server's history.
type Entry struct {
	Time     time.Time `json:"time"`
	Run      string    `json:"run"`    // the delivery's id
	Action   string    `json:"action"` // push, rollback, install, unlock, unpin
	Release  string    `json:"release"`
	Previous string    `json:"previous,omitempty"`
	Result   string    `json:"result"` // healthy, failed, rolled back
	By       string    `json:"by,omitempty"`
	Why      string    `json:"why,omitempty"`
}
