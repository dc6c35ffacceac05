package main

import (
	"deliver/store/storetest"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// What is live stands in the store too: a major waits although deliver never
// told autobuilder of anything.
func TestWhatTheStoreSaysIsLive(t *testing.T) {
	t.Parallel()
	s3 := storetest.Start(t)
	s3.Bucket(t, "releases")
	s := newStage(t, anyPorts)
	s.env = s3.Environ()
	config := filepath.Join(s.dir, "autobuilder.yml")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	s.write("autobuilder.yml", strings.Replace(string(text), "template: echo", "template: echo, store: 's3://releases/shop'", 1))
	s.commit("one")
	out, code := s.command("check")
	assert.Zero(t, code, out)
	assert.Contains(t, out, "s3://releases/shop (nothing was promoted yet)")

	latest := s3.File("releases", "shop/latest.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(latest), 0o755))
	require.NoError(t, os.WriteFile(latest, fmt.Appendf(nil,
		`{"release":"by-hand","version":"v1.4.2","commit":"%s","sha256":"%s","size":10,"action":"push","promoted":"2026-01-02T03:04:05Z","by":"grace"}`,
		strings.Repeat("1", 40), strings.Repeat("a", 64)), 0o644))
	out, _ = s.command("check")
	assert.Contains(t, out, "s3://releases/shop (live: by-hand v1.4.2)")

	v := s.serve()
	s.git("-C", s.repo, "tag", "v2.0.0")
	require.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
	b := s.reaches(0, build.Held)
	assert.Equal(t, "v2.0.0 is a major release: v1.4.2 is live", b.Why)
	_, live := v.get("/api/v1/live")
	assert.Contains(t, live, `"by-hand"`)
}
