package build

import "errors"

// ErrUnknown says that the ledger has no such build or delivery.
var ErrUnknown = errors.New("not in the ledger")

// ErrNotAllowed says that somebody may not do what they asked for, or not now.
var ErrNotAllowed = errors.New("not allowed")
