package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

// The record of a release says of it what is true: what Jenkins checked out is
// another commit when something else is asked for.
func TestTheRecordIsOfWhatIsBuilt(t *testing.T) {
	t.Parallel()
	jenkins := []string{"TAG=v1", "BRANCH=master", "GIT_COMMIT=abc", "BUILD_NUMBER=7", "JOB_NAME=shop"}
	for name, c := range map[string]struct {
		flags                        map[string]string
		ref, version, branch, commit string
	}{
		"an archive":           {map[string]string{"BUILD": "shop.tar"}, "v1", "v1", "master", "abc"},
		"the tag of the build": {nil, "v1", "v1", "master", ""},
		"another ref":          {map[string]string{"REFSPEC": "+topic:master"}, "topic", "", "", ""},
		"another branch":       {map[string]string{"BRANCH": "topic"}, "topic", "", "topic", ""},
		"another version":      {map[string]string{"REVISION": "def", "VERSION": "v9"}, "def", "v9", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := config.Load(t.Context(), config.Source{Dir: t.TempDir(), Environ: jenkins, Flags: c.flags})
			require.NoError(t, err)
			rec, err := recordOf(loaded, "me")
			require.NoError(t, err)
			assert.Equal(t, c.ref, refOf(loaded))
			assert.Equal(t, []string{c.version, c.branch, c.commit}, []string{rec.Version, rec.Branch, rec.Commit})
			assert.Equal(t, int64(7), rec.Sequence)
			assert.Equal(t, "shop", rec.Job)
		})
	}
}
