package host

import (
	"errors"

	"deliver/manifest"
)

// Kind tells errors apart that a caller acts on or names.
type Kind string

// The kinds of errors of a Server.
const (
	KindDigest      Kind = "digest"        // the build is not what its record says
	KindUnsafe      Kind = "unsafe"        // a tar entry leaves the release, or is no file, directory or link
	KindSpace       Kind = "space"         // no bytes or inodes left
	KindMissing     Kind = "missing"       // no such release here
	KindBase        Kind = "base"          // a release from which another one cannot be made
	KindLacking     Kind = "lacking"       // contents are missing; the same call again asks for them
	KindStore       Kind = "store"         // the store does not give what a server was to get there
	KindService     Kind = "service"       // the service manager refused or failed
	KindNotRunning  Kind = "not-running"   // the service ended
	KindCrashLoop   Kind = "crash-loop"    // the service ended and its manager started it again
	KindOutOfMemory Kind = "out-of-memory" // the service was killed for lack of memory
	KindBadAnswer   Kind = "bad-answer"    // it answers, but not well
	KindNoAnswer    Kind = "no-answer"     // nothing listens, or it closes the connection
	KindHang        Kind = "hang"          // it takes connections and does not answer
	KindSlowStart   Kind = "slow-start"    // it was still starting at the deadline
	KindOldRelease  Kind = "old-release"   // the process that answers runs from another release
	KindHook        Kind = "hook"          // a hook failed
	KindProtocol    Kind = "protocol"      // the two sides do not understand each other
	KindUnreachable Kind = "unreachable"   // no connection, or it broke
	KindHostKey     Kind = "host-key"      // unknown, changed or revoked
	KindAuth        Kind = "auth"          // the server refused the keys
	KindLease       Kind = "lease"         // another delivery holds the server
	KindFenced      Kind = "fenced"        // another delivery took the lease over
	KindOrder       Kind = "order"         // a newer release runs
	KindPinned      Kind = "pinned"        // it was rolled back, and is to stay so
	KindDenied      Kind = "denied"        // this user may not write or do that on the server
	KindFailed      Kind = "failed"        // anything else: a disk error, no permission
)

// Error is an error of a Server. It crosses the wire whole.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do
}

// Error says what failed and what to do.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

// unsafeOf is an error of a manifest as those of this package are.
func unsafeOf(err error) error {
	var refused *manifest.Unsafe
	if !errors.As(err, &refused) {
		return err
	}
	return &Error{Kind: KindUnsafe, Message: refused.Error(), Hint: "nothing was kept; build the archive without it"}
}
