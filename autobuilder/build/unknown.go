package build

import "errors"

// ErrUnknown says that the ledger has no build with that id.
var ErrUnknown = errors.New("no such build in the ledger")
