package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"deliver/release"
)

// wireVersion grows when a request of the old form would be misunderstood.
const wireVersion = 2

// The operations of a Request.
const (
	opLook     = "look"
	opReceive  = "receive"
	opUpdate   = "update"
	opPull     = "pull"
	opManifest = "manifest"
	opSwitch   = "switch"
	opRestart  = "restart"
	opCheck    = "check"
	opHook     = "hook"
	opRecord   = "record"
	opPrune    = "prune"
	opHistory  = "history"
	opClaim    = "claim"
	opRelease  = "release"
	opPin      = "pin"
)

// Request asks for one operation. After one of "receive", "update" or "pull" comes
// the body, when the far side has asked for it with its first progress.
type Request struct {
	V  int    `json:"v"`
	Op string `json:"op"` // one of the operations
	// Timeout is what was left of the caller's deadline; zero: it had none.
	Timeout time.Duration   `json:"timeout,omitempty"`
	Place   Place           `json:"place"`
	Token   int64           `json:"token,omitempty"` // of the caller's lease
	Args    json.RawMessage `json:"args,omitempty"`
}

// Reply is part of an answer: any number with Progress alone, then one with
// either OK or Error. One that sets nothing is an OK without a result.
type Reply struct {
	Progress *int64          `json:"progress,omitempty"` // compressed bytes taken; the first asks for the build
	Lacks    []Range         `json:"lacks,omitempty"`    // beside the first: all that the body shall have
	OK       json.RawMessage `json:"ok,omitempty"`
	Error    *Error          `json:"error,omitempty"`
}

// Session carries a conversation with Serve. A Read that fails with an
// *Error is taken at its word; any other failure is a broken connection.
type Session interface {
	io.ReadWriteCloser
	// Alive asks the far side's machine for a sign of life where it has been
	// silent for a while; one that gives none has broken the connection. It is
	// asked before each request, so that one is not lost to a machine that has gone
	// unnoticed, and now and then while an answer is waited for.
	Alive(ctx context.Context) bool
}

type lookArgs struct {
	Service Service `json:"service"`
}

type receiveArgs struct {
	Record release.Record `json:"record"`
}

type updateArgs struct {
	Record release.Record `json:"record"`
	Base   Base           `json:"base,omitzero"`
}

type manifestArgs struct {
	ID string `json:"id"`
}

type switchArgs struct {
	ID   string `json:"id"`
	Over string `json:"over,omitempty"`
}

type restartArgs struct {
	Service Service `json:"service"`
}

type checkArgs struct {
	Health  Health  `json:"health"`
	Service Service `json:"service"`
	ID      string  `json:"id"`
}

type hookArgs struct {
	Name string            `json:"name"`
	ID   string            `json:"id"`
	Env  map[string]string `json:"env,omitempty"`
}

type hookResult struct {
	Output string `json:"output"`
	// Failed is set beside Output: a hook that fails has said why.
	Failed *Error `json:"failed,omitempty"`
}

type historyArgs struct {
	Entry Entry `json:"entry"`
}

type pruneArgs struct {
	Keep int `json:"keep"`
}

type entriesArgs struct {
	Limit int `json:"limit"`
}

type claimArgs struct {
	Claim Claim `json:"claim"`
}

type pinArgs struct {
	Pin *Pin `json:"pin,omitempty"`
}

type nothing struct{}

// asError makes any error one that crosses the wire.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: KindFailed, Message: err.Error()}
}
