package e2e

import (
	"encoding/json"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// told is what the page knows of a run of deliver.
type told struct {
	Result string
	SHA256 string
	Hosts  []struct {
		Host, Result string
		Stages       []struct{ Name, State string }
	}
}

// isShown: the page has the build's steps and, of each server, how it went
// through the stages of its rollout.
func (l *lab) isShown(b built, result string) {
	l.t.Helper()
	status, text := l.get(l.page + "/api/v1/builds/" + b.ID + "/rollouts")
	require.Equal(l.t, 200, status, text)
	var runs []told
	require.NoError(l.t, json.Unmarshal([]byte(text), &runs), text)
	require.Len(l.t, runs, 1, text)
	assert.Equal(l.t, result, runs[0].Result)
	require.Len(l.t, runs[0].Hosts, len(l.servers()))
	_, page := l.get(l.page + "/builds/" + b.ID)
	assert.Contains(l.t, page, "sha256:"+runs[0].SHA256)
	for _, want := range []string{"1 setup", "2 commit-deps", "3 git archive", "4 publish", "5 ci-deploy", "<th>ship</th>", "<th>switch</th>"} {
		assert.Contains(l.t, page, want)
	}
	switched := 0
	for _, host := range runs[0].Hosts {
		assert.Contains(l.t, page, `<th scope="row">`+host.Host)
		for _, stage := range host.Stages {
			if stage.Name == "switch" {
				switched++
			}
		}
	}
	if result == "ok" {
		assert.Equal(l.t, len(runs[0].Hosts), switched)
	} else {
		assert.Equal(l.t, 1, switched, "the others were not touched")
	}
}
