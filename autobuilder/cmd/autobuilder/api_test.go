package main

import (
	"encoding/json"
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

// post sends what somebody does by the API.
func (v *server) post(path, token, body string) (status int, text string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.url+"/api/v1/"+path, strings.NewReader(body))
	require.NoError(v.t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return exchange(v.t, request)
}

func withTokens(t *testing.T) (*stage, *server) {
	t.Helper()
	s := newStage(t, anyPorts+`
tokens:
  - {name: grace, scopes: [approve], token_file: grace}
  - {name: joan, scopes: [read, approve], token_file: joan}
  - {name: ci, scopes: [deploy], token_file: ci}`)
	for _, name := range []string{"grace", "joan", "ci"} {
		s.write(name, "token of "+name+"\n")
	}
	return s, s.serve()
}

// rollout is what deliver tells.
func rollout(b build.Build, result, more string) string {
	return fmt.Sprintf(`{"run": "run-%s", "build": %q, "job": "shop", "action": "push", "started": "2126-11-23T12:00:00Z",
		"ended": "2126-11-23T12:00:01Z", "result": %q, "hosts": [], "release": {"id": "jenkins-shop-%d", "app": "x", "version": %q, "commit": %q}%s}`,
		b.ID, b.ID, result, b.Number, b.Tag, b.Commit, more)
}

func TestActionsNeedATokenWithTheirScope(t *testing.T) {
	t.Parallel()
	s, v := withTokens(t)
	s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v.tell("d1", "refs/heads/master")
	first := s.reaches(0, build.Succeeded)
	s.write("shop/.deliver/release.md", "- [ ] tell support\n")
	s.git("-C", s.repo, "add", "-A")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v2.0.0")
	v.tell("d2", "refs/heads/master")
	id := s.reaches(1, build.Held).ID

	for _, c := range []struct {
		path, token, body string
		status            int
		says              string
	}{
		{"holds/" + id + "/approve", "", "", 401, "this needs a token"},
		{"holds/" + id + "/approve", "wrong", "", 401, "this needs a token"},
		{"holds/" + id + "/approve", "token of ci", "", 403, "the token ci lacks the scope approve"},
		{"holds/nothing/approve", "token of grace", "", 404, ""},
		{"holds/" + id + "/tick", "token of grace", `{"step": 1}`, 409, "it waits for approval: 0 of 1"},
		{"holds/" + id + "/approve", "token of grace", "{nonsense", 400, "the body is no JSON"},
		{"holds/" + id + "/approve", "token of grace", `{"by": "ada"}`, 400, "unknown field"},
		{"holds/shop@v2.0.0/approve", "token of grace", `{"note": "read it"}`, 200, `"state":"approved"`},
		{"holds/" + id + "/approve", "token of joan", "", 409, "it is approved already"},
		{"holds/" + id + "/tick", "token of joan", `{"step": 2}`, 409, "there is no step 2"},
		{"holds/" + id + "/tick", "token of joan", `{"step": 1, "note": "told"}`, 200, `"state":"done"`},
		{"rollouts", "token of grace", rollout(first, "ok", ""), 403, "lacks the scope deploy"},
		{"rollouts", "token of ci", "[]", 400, "no message of deliver"},
		{"rollouts", "token of ci", `{"run": "r"}`, 400, "lacks run, release.id or started"},
		{"rollouts", "token of ci", `{"run": "r", "action": "push", "job": "none", "started": "2126-11-23T12:00:00Z", "release": {"id": "x"}}`, 404, `no project has the job \"none\"`},
	} {
		status, text := v.post(c.path, c.token, c.body)
		assert.Equal(t, c.status, status, "%s %s: %s", c.path, c.body, text)
		assert.Contains(t, text, c.says)
	}
	s.reaches(1, build.Succeeded)
	_, text := v.get("/api/v1/holds/" + id)
	var h build.Hold
	require.NoError(t, json.Unmarshal([]byte(text), &h))
	assert.Equal(t, []string{"grace"}, h.Approvals())
	assert.Equal(t, "joan", h.Steps[0].By)
	_, text = v.get("/api/v1/holds")
	assert.NotContains(t, text, id)
	_, text = v.get("/api/v1/holds?all")
	assert.Contains(t, text, id)
	assert.Zero(t, v.stop())
	for _, name := range []string{"grace", "joan", "ci"} {
		assert.NotContains(t, v.log.String(), "token of "+name)
	}
}

// deliver tells what it promoted; the embedded Jenkins' builds have a token for it.
func TestWhatDeliverTellsIsLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts)
	s.write("templates/echo.xml.tmpl", replaceOnce(template, `echo "built`, `echo "told to $AUTOBUILDER_URL with $AUTOBUILDER_TOKEN"; echo "built`))
	v := s.serve()
	s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v.tell("d1", "refs/heads/master")
	b := s.reaches(0, build.Succeeded)
	token, err := os.ReadFile(filepath.Join(s.dir, "data", "deliver.token"))
	require.NoError(t, err)
	own := strings.TrimSpace(string(token))
	_, console := v.get("/builds/" + b.ID + "/console")
	assert.Contains(t, console, "told to "+v.url+" with "+own)

	live := func() (all []build.Live) {
		_, text := v.get("/api/v1/live")
		require.NoError(t, json.Unmarshal([]byte(text), &all), text)
		return all
	}
	assert.True(t, live()[0].Assumed)
	status, text := v.post("rollouts", own, rollout(b, "ok", ""))
	require.Equal(t, http.StatusNoContent, status, text)
	assert.Equal(t, "jenkins-shop-1", live()[0].Release)
	assert.Equal(t, "v1.0.0", live()[0].Version)
	assert.False(t, live()[0].Assumed)
	status, _ = v.post("holds/"+b.ID+"/approve", own, "")
	assert.Equal(t, http.StatusForbidden, status)
}
