package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

func TestAReloadTakesUpProjectsAndSecrets(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	commit := s.commit("one")
	v := s.serve()
	require.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
	s.reaches(0, build.Succeeded)

	second := filepath.Join(s.dir, "till")
	s.git("init", "--quiet", "--initial-branch=master", second)
	s.write("shop.secret", "a secret of its own\n")
	s.write("autobuilder.yml", fmt.Sprintf(`%s
templates: templates
settle: 50ms
poll: 50ms
github: {secret_env: SECRET}
projects:
  - {name: shop, repo: acme/shop, clone_url: %s, template: echo, secret_file: shop.secret}
  - {name: shop-next, repo: acme/shop, clone_url: %[2]s, template: echo, branch: next, secret_file: shop.secret}
`, anyPorts, s.repo))
	v.hangUp("config reloaded")
	assert.Equal(t, http.StatusUnauthorized, v.tell("d2", "refs/heads/master"), "the old secret holds no more")
	_, page := v.get("/")
	assert.Contains(t, page, "shop-next")
	status, _ := v.getJenkins("/job/shop-next/config.xml")
	assert.Equal(t, http.StatusOK, status, "the new job is written")

	_, code := s.command("trigger", "--ref", commit, "shop-next")
	require.Zero(t, code)
	b := s.reaches(1, build.Succeeded)
	assert.Equal(t, "shop-next", b.Project)
	assert.Zero(t, v.stop())
}

func TestABadConfigIsNotReloaded(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	s.commit("one")
	v := s.serve()
	good := anyPorts
	for _, bad := range []struct{ settings, why string }{
		{good + "\nnonsense: 1", "unknown field nonsense"},
		{strings.Replace(good, "jenkins: {", "jenkins: {executors: 7, ", 1), "only a restart changes jenkins"},
		{good + "\ndata: elsewhere", "only a restart changes data"},
	} {
		s.configure(bad.settings)
		v.hangUp("the old one holds")
		assert.Contains(t, v.log.String(), bad.why)
	}
	require.Equal(t, http.StatusAccepted, v.tell("d1", "refs/heads/master"))
	s.reaches(0, build.Succeeded)
	assert.Zero(t, v.stop())
}

// hangUp sends SIGHUP and waits until the log says once more what comes of it.
func (v *server) hangUp(said string) {
	v.t.Helper()
	before := strings.Count(v.log.String(), said)
	require.NoError(v.t, v.cmd.Process.Signal(syscall.SIGHUP))
	require.Eventually(v.t, func() bool { return strings.Count(v.log.String(), said) > before }, patient, 10*time.Millisecond, said)
}

func (v *server) getJenkins(path string) (status int, text string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.ci+path, http.NoBody)
	require.NoError(v.t, err)
	return exchange(v.t, request)
}
