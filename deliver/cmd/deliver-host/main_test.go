package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What it does in a conversation is tested through SSH, by package remote.
func TestItIsStartedByDeliverAlone(t *testing.T) {
	t.Parallel()
	for said, args := range map[string][]string{
		"to deliver, run deliver on your own machine": nil,
		"deliver starts this here by itself":          {"push"},
		`help\n" begins no conversation`:              {"host"},
	} {
		var out, told strings.Builder
		assert.Equal(t, 1, run(t.Context(), args, strings.NewReader("help\n"), &out, &told))
		assert.Contains(t, told.String(), "deliver-host: ")
		assert.Contains(t, told.String(), said)
	}
}
