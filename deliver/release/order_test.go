package release_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"deliver/release"
)

func TestOlderThan(t *testing.T) {
	t.Parallel()
	build := func(id, job string, sequence int64) release.Record {
		return release.Record{ID: id, App: "shop", Job: job, Sequence: sequence}
	}
	other := build("b", "", 9)
	other.App = "blog"
	for name, c := range map[string]struct {
		a, b release.Record
		want bool
	}{
		"an earlier build of the job": {build("a", "shop", 1), build("b", "shop", 2), true},
		"a later one":                 {build("a", "shop", 3), build("b", "shop", 2), false},
		"the same number":             {build("a", "shop", 2), build("b", "shop", 2), false},
		"itself":                      {build("a", "shop", 1), build("a", "shop", 2), false},
		"another job":                 {build("a", "shop", 1), build("b", "shop-canary", 2), false},
		"one by hand":                 {build("a", "", 1790000000), build("b", "shop", 2), false},
		"two by hand":                 {build("a", "", 1790000000), build("b", "", 1790000001), true},
		"of unknown place":            {build("a", "shop", 0), build("b", "shop", 2), false},
		"over one of unknown place":   {build("a", "shop", 1), build("b", "shop", 0), false},
		"another app":                 {build("a", "", 1), other, false},
	} {
		assert.Equal(t, c.want, c.a.OlderThan(c.b), name)
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, other string
		want           bool
	}{
		{"v1.2.1", "v1.2.0", true},
		{"1.2.1", "v1.2.0", true},
		{"v1.10.0", "v1.9.9", true},
		{"v2.0.0", "v1.2.0", true},
		{"v1.2.0", "v1.2.0", false},
		{"v1.1.9", "v1.2.0", false},
		{"v1.3.0-rc.1", "v1.2.0", false},
		{"v1.2.1+build.7", "v1.2.0", true},
		{"v1.2.0+build.7", "v1.2.0", false},
		{"v1.2.0-4-gdeadbee", "v1.2.0", false},
		{"v1.2.0", "v1.2.0-4-gdeadbee", false},
		{"v1.2.1", "v1.2.0-4-gdeadbee", true},
		{"v1.2.0", "v1.2.0-rc.1", true},
		{"deadbee", "v1.2.0", false},
		{"v1.2.1", "deadbee", false},
		{"v1.2.1", "", false},
		{"", "", false},
	} {
		assert.Equal(t, c.want, release.Newer(c.version, c.other), "%s over %s", c.version, c.other)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, rec := range map[string]release.Record{
		"v1.2.0-5f1c2d9a":         {ID: "v1.2.0-5f1c2d9a", Version: "v1.2.0"},
		"v1.2.0 (jenkins-shop-7)": {ID: "jenkins-shop-7", Version: "v1.2.0"},
		"jenkins-shop-7":          {ID: "jenkins-shop-7"},
	} {
		assert.Equal(t, want, rec.Describe())
	}
}
