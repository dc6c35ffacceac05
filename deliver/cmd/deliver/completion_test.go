package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"deliver/sshdtest"
)

// Tab is pressed in the shells themselves.
func TestCompletionInRealShells(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		sshdtest.Need(t, shell, shell)
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/shells"})
}
