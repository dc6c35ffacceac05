package build

import "errors"

// ErrUnknown says that the ledger has no such build or delivery.
var ErrUnknown = errors.New("not in the ledger")
