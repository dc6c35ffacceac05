package webhook_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/webhook"
)

// example is a payload as GitHub's users have seen it.
type example struct {
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

func examples(t testing.TB) []example {
	t.Helper()
	file, err := os.Open("testdata/octokit/payloads.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	text, err := gzip.NewReader(file)
	require.NoError(t, err)
	var found []example
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e example
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		found = append(found, e)
	}
	require.NoError(t, lines.Err())
	return found
}

func TestEveryEventOfGitHubIsTaken(t *testing.T) {
	t.Parallel()
	r := receive(t)
	all := examples(t)
	require.Len(t, all, 329)
	pushes := 0
	for _, e := range all {
		q := request(t, r.url, e.Payload)
		q.Header.Set("X-GitHub-Event", e.Event)
		status, text := do(t, q)
		assert.Less(t, status, 300, "%s: %s", e.Event, text)
		assert.GreaterOrEqual(t, status, http.StatusOK)
		pushes += strings.Count(e.Event, "push")
	}
	asked := 0
	for _, d := range r.all() {
		if d.Event == "push" {
			asked++
			continue
		}
		assert.Empty(t, d.Push.Ref, "%s asks for nothing", d.Event)
	}
	kept := len(r.all()) // Len would print them all
	assert.Equal(t, len(all), kept)
	assert.Equal(t, pushes, asked)
}

func TestThePushesOfGitHub(t *testing.T) {
	t.Parallel()
	const zeros = "0000000000000000000000000000000000000000"
	var got []build.Push
	for _, e := range examples(t) {
		if e.Event != "push" {
			continue
		}
		p, err := webhook.Parse(e.Event, e.Payload)
		require.NoError(t, err)
		assert.Equal(t, "Codertocat/Hello-World", p.Repo)
		assert.Equal(t, "Codertocat", p.Pusher)
		assert.Equal(t, p.After == zeros, p.Deleted)
		assert.Equal(t, p.Deleted, p.Commit == "")
		got = append(got, p)
	}
	require.Len(t, got, 7)
	assert.Equal(t, "simple-tag", got[0].Tag())
	assert.Equal(t, commit, got[0].Commit)
	assert.Empty(t, got[0].Branch())
	assert.True(t, got[1].Deleted)
	assert.Equal(t, "master", got[4].Branch())
	assert.Equal(t, commit, got[4].Commit)
	assert.NotEmpty(t, got[4].Message)
}

func TestWhatAPushSays(t *testing.T) {
	t.Parallel()
	const object = "1111111111111111111111111111111111111111"
	tests := []struct {
		name string
		body string
		want build.Push
	}{
		{
			"an annotated tag: the commit is not the object that was pushed",
			`{"ref":"refs/tags/v1.2.0","after":"` + object + `","repository":{"full_name":"a/b"},"head_commit":{"id":"` + commit + `"}}`,
			build.Push{Repo: "a/b", Ref: "refs/tags/v1.2.0", After: object, Commit: commit},
		},
		{
			"no head commit: the object is all that is known",
			`{"ref":"refs/heads/master","after":"` + object + `","repository":{"full_name":"a/b"},"head_commit":null}`,
			build.Push{Repo: "a/b", Ref: "refs/heads/master", After: object, Commit: object},
		},
		{
			"a commit with its tree",
			`{"ref":"refs/heads/master","after":"` + commit + `","repository":{"full_name":"a/b"},"head_commit":{"id":"` + commit + `","tree_id":"` + object + `"}}`,
			build.Push{Repo: "a/b", Ref: "refs/heads/master", After: commit, Commit: commit, Tree: object},
		},
		{
			"a tree that is none",
			`{"ref":"refs/heads/master","after":"` + commit + `","repository":{"full_name":"a/b"},"head_commit":{"id":"` + commit + `","tree_id":"HEAD^{tree}"}}`,
			build.Push{Repo: "a/b", Ref: "refs/heads/master", After: commit, Commit: commit},
		},
		{
			"a deletion that only its zeros tell",
			`{"ref":"refs/heads/master","after":"0000000000000000000000000000000000000000","repository":{"full_name":"a/b"},"sender":{"login":"ada"}}`,
			build.Push{Repo: "a/b", Ref: "refs/heads/master", After: strings.Repeat("0", 40), Deleted: true, Pusher: "ada"},
		},
		{
			"a push of Gitea and Forgejo: no created, deleted, forced",
			`{"ref":"refs/heads/master","before":"` + strings.Repeat("0", 40) + `","after":"` + commit + `","compare_url":"http://git.test/compare",
				"commits":[],"total_commits":1,"head_commit":{"id":"` + commit + `","message":"add a till\n","author":{"username":"ada"}},
				"repository":{"id":1,"full_name":"acme/shop","clone_url":"http://git.test/acme/shop.git","owner":{"login":"acme"}},
				"pusher":{"id":1,"login":"ada","username":"ada","full_name":""},"sender":{"login":"ada"}}`,
			build.Push{
				Repo: "acme/shop", Ref: "refs/heads/master", Before: strings.Repeat("0", 40), After: commit, Commit: commit,
				Pusher: "ada", Message: "add a till\n", CloneURL: "http://git.test/acme/shop.git",
			},
		},
		{
			"a repository of SHA-256 objects, pushed with force",
			`{"ref":"refs/heads/master","forced":true,"after":"` + strings.Repeat("a", 64) + `","repository":{"full_name":"a/b"},"pusher":{"login":"ada"}}`,
			build.Push{Repo: "a/b", Ref: "refs/heads/master", After: strings.Repeat("a", 64), Commit: strings.Repeat("a", 64), Forced: true, Pusher: "ada"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := webhook.Parse("push", []byte(test.body))
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestOtherEventsMayHaveAnyShape(t *testing.T) {
	t.Parallel()
	p, err := webhook.Parse("star", []byte(`{"repository":"none","sender":{"login":"ada"},"ref":7}`))
	require.NoError(t, err)
	assert.Equal(t, build.Push{Pusher: "ada"}, p)
	_, err = webhook.Parse("star", []byte(`"text"`))
	require.Error(t, err)
}

// FuzzParse: whatever comes in, a push that is let through has all that the
// rules look at.
func FuzzParse(f *testing.F) {
	for _, e := range examples(f) {
		if e.Event == "push" || e.Event == "ping" {
			f.Add(e.Event, []byte(e.Payload))
		}
	}
	f.Add("push", []byte(`{"ref":"refs/heads/","after":"","repository":{"full_name":"/"}}`))
	f.Add("push", []byte(`null`))
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		p, err := webhook.Parse(event, body)
		if err != nil || event != "push" {
			return
		}
		assert.Equal(t, 1, strings.Count(p.Repo, "/"))
		assert.True(t, strings.HasPrefix(p.Ref, "refs/"))
		assert.Equal(t, p.Deleted, p.Commit == "")
		assert.NotContains(t, p.Commit, "-")
	})
}
