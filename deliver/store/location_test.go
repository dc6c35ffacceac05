package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/store"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]store.Location{
		"s3://builds/dashboard":        {Bucket: "builds", Prefix: "dashboard"},
		"s3://builds/dashboard/":       {Bucket: "builds", Prefix: "dashboard"},
		"s3://my.builds-1/team/my app": {Bucket: "my.builds-1", Prefix: "team/my app"},
	} {
		got, err := store.ParseURL(raw)
		require.NoError(t, err, raw)
		assert.Equal(t, want, got)
	}
	for _, raw := range []string{
		"", "builds/dashboard", "http://builds/dashboard", "s3://", "s3://builds", "s3://builds/", "s3:///dashboard",
		"s3://BUILDS/dashboard", "s3://b/dashboard", "s3://builds//dashboard", "s3://builds/../x", "s3://builds/a/./b", "s3://builds/a\nb",
	} {
		_, err := store.ParseURL(raw)
		assert.True(t, store.IsKind(err, store.KindInvalid), raw)
		assert.ErrorContains(t, err, "s3://BUCKET/JOB", raw)
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"s3://builds/dashboard", "s3://builds/a/b/", "s3://b/x", "s3://builds/../..", "s3://builds/\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		loc, err := store.ParseURL(raw)
		if err != nil {
			return
		}
		again, err := store.ParseURL(loc.String())
		require.NoError(t, err)
		assert.Equal(t, loc, again)
		assert.NotContains(t, strings.Split(loc.Prefix, "/"), "..")
	})
}

func FuzzParseLatest(f *testing.F) {
	good := `{"release":"b-1","sha256":"` + strings.Repeat("ab", 32) + `","size":10,"action":"push"}`
	for _, seed := range []string{good, `{}`, `[]`, `null`, `{"release":"../x"}`, strings.Replace(good, "10", "-1", 1), good + good} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		latest, err := store.ParseLatest(data)
		if err != nil {
			return
		}
		assert.NotContains(t, latest.Release, "/")
		assert.NotEmpty(t, latest.Release)
		assert.Len(t, latest.SHA256, 64)
		again, err := json.Marshal(latest)
		require.NoError(t, err)
		_, err = store.ParseLatest(again)
		require.NoError(t, err)
	})
}
