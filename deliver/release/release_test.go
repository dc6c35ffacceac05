package release_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"deliver/release"
)

func TestTwoRecordsOfOneBuild(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		one, other release.Record
		same       bool
	}{
		"one tree":                        {release.Record{Tree: "a"}, release.Record{Tree: "a"}, true},
		"one tree in two tars":            {release.Record{Tree: "a", SHA256: "1"}, release.Record{Tree: "a", SHA256: "2"}, true},
		"two trees":                       {release.Record{Tree: "a", SHA256: "1"}, release.Record{Tree: "b", SHA256: "1"}, false},
		"one tar, and one says no tree":   {release.Record{SHA256: "1"}, release.Record{Tree: "a", SHA256: "1"}, true},
		"two tars, and one says no tree":  {release.Record{SHA256: "1"}, release.Record{Tree: "a", SHA256: "2"}, false},
		"one says its tree, one its tar":  {release.Record{SHA256: "1"}, release.Record{Tree: "a"}, false},
		"one says nothing":                {release.Record{}, release.Record{Tree: "a"}, false},
		"both say nothing of their build": {release.Record{}, release.Record{}, false},
	} {
		assert.Equal(t, c.same, c.one.SameBuild(c.other), name)
		assert.Equal(t, c.same, c.other.SameBuild(c.one), name)
	}
}
