package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// What the page's forms ask for is built, and goes back, as if a room had said it.
func TestADeployFromThePage(t *testing.T) {
	t.Parallel()
	s := newStage(t, anyPorts+"\ntokens: [{name: grace, scopes: [trigger], token_file: grace}]")
	s.write("grace", "token of grace\n")
	first := s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v := s.serve()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	submit := func(path string, form url.Values) (status int, at, page string) {
		answer, err := browser.PostForm(v.url+path, form)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, answer.Request.URL.Path, string(text)
	}
	status, at, _ := submit("/sign-in", url.Values{"token": {"token of grace"}, "back": {"/projects/shop"}})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "/projects/shop", at)

	_, at, _ = submit("/projects/shop/deploy", url.Values{})
	b := s.reaches(0, build.Succeeded)
	assert.Equal(t, "/builds/"+b.ID, at)
	assert.Equal(t, "grace", b.By)
	assert.Equal(t, first, b.Commit)
	status, _, page := submit("/projects/shop/deploy", url.Values{"ref": {"v7"}})
	assert.Equal(t, http.StatusConflict, status)
	assert.Contains(t, page, "Not done: ")
	assert.Contains(t, page, "v7")

	s.commit("two")
	s.git("-C", s.repo, "tag", "v1.1.0")
	_, at, _ = submit("/projects/shop/deploy", url.Values{"ref": {"v1.1.0"}})
	assert.Equal(t, "/builds/"+s.reaches(1, build.Succeeded).ID, at)
	_, at, _ = submit("/projects/shop/rollback", url.Values{"to": {first}})
	back := s.reaches(2, build.Succeeded)
	assert.Equal(t, "/builds/"+back.ID, at)
	assert.Equal(t, first, back.Commit)
	status, _, page = submit("/projects/shop/rollback", url.Values{})
	assert.Equal(t, http.StatusConflict, status)
	assert.Contains(t, page, "it is not said what to go back to")
}
