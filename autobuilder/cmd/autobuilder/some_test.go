package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// Where a job does not know which servers it is to keep to, nothing is built: it
// would go to all of them. What goes to all is not held up by that.
func TestAJobThatKnowsNoServersDoesNotStart(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	s.serve()
	s.commit("one")
	for _, wrong := range []string{"h1;id", "", " ", "h1 --x"} {
		out, code := s.command("trigger", "--only", wrong, "shop")
		assert.Equal(t, exitUsage, code, out)
	}
	out, code := s.command("trigger", "--only", "h1, h2", "shop")
	assert.Zero(t, code)
	assert.Contains(t, out, "the newest commit of shop is to be built to h1, h2 only")
	require.Eventually(t, func() bool {
		all := s.builds()
		return len(all) == 1 && all[0].State == build.Queued && strings.Contains(all[0].Why, "no parameter DELIVER_ONLY")
	}, patient, 20*time.Millisecond)
	for _, show := range []string{"history", "status"} {
		out, _ = s.command(show)
		assert.Contains(t, out, "to h1, h2 only")
	}
	out, _ = s.command("history", "--json")
	assert.Contains(t, out, `"only": "h1,h2"`)

	_, code = s.command("trigger", "shop")
	assert.Zero(t, code)
	b := s.reaches(1, build.Succeeded)
	assert.Empty(t, b.Only)
	assert.Equal(t, 1, b.Attempt)
}
