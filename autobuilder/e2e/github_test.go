package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-github/v84/github"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The hook of the lab's repository says what GitHub says: its pushes have the
// fields that GitHub's have.
func TestTheHookSpeaksAsGitHub(t *testing.T) {
	repo := newRepository(t)
	before, after := repo.git("rev-parse", "HEAD^"), repo.git("rev-parse", "HEAD")
	zero := strings.Repeat("0", 40)
	for name, push := range map[string][3]string{
		"a branch that grew":   {before, after, "refs/heads/master"},
		"a new branch":         {zero, after, "refs/heads/master"},
		"a branch that went":   {after, zero, "refs/heads/old"},
		"a forced push":        {after, before, "refs/heads/master"},
		"a tag":                {zero, after, "refs/tags/v1.0.0"},
		"a tag with a message": {zero, repo.git("rev-parse", "v2.0.0"), "refs/tags/v2.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := repo.of(t)
			body := repo.payload(push)
			event, err := github.ParseWebHook("push", body)
			require.NoError(t, err)
			ours := event.(*github.PushEvent)
			assert.Equal(t, []string{push[2], push[0], push[1]}, []string{ours.GetRef(), ours.GetBefore(), ours.GetAfter()})
			assert.Equal(t, push[0] == zero, ours.GetCreated())
			assert.Equal(t, push[1] == zero, ours.GetDeleted())
			assert.Equal(t, name == "a forced push", ours.GetForced())
			assert.Equal(t, "acme/sample", ours.GetRepo().GetFullName())
			assert.Subset(t, keys(t, body), keys(t, theirs(t)))
			if push[1] == zero {
				assert.Nil(t, ours.HeadCommit)
				return
			}
			assert.Equal(t, repo.git("rev-parse", push[1]+"^{commit}"), ours.GetHeadCommit().GetID())
		})
	}
}

// theirs is a push of GitHub's own documentation.
func theirs(t *testing.T) []byte {
	t.Helper()
	file, err := os.Open("../webhook/testdata/octokit/payloads.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	text, err := gzip.NewReader(file)
	require.NoError(t, err)
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var example struct {
			Event   string          `json:"event"`
			Payload json.RawMessage `json:"payload"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &example))
		if example.Event == "push" {
			return example.Payload
		}
	}
	require.Fail(t, "there is no push among GitHub's examples")
	return nil
}

func keys(t *testing.T, document []byte) []string {
	t.Helper()
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(document, &fields))
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	return names
}

// repository is one that lab/github made, with two commits and a tag with a message.
type repository struct {
	lab *lab
	dir string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	l := newLab(t, shape{jenkins: "embedded", kind: "loopback"})
	r := repository{l, filepath.Join(t.TempDir(), "sample.git")}
	l.script("github", "create", r.dir, "acme/sample", "http://127.0.0.1:1/", "/dev/null")
	first := r.commit("first")
	r.git("update-ref", "refs/heads/master", r.commit("second", "-p", first))
	r.git("-c", "user.name=engineer", "-c", "user.email=engineer@localhost", "tag", "-a", "-m", "release", "v2.0.0", "master")
	return r
}

// of is the repository for a part of the test.
func (r repository) of(t *testing.T) repository {
	l := *r.lab
	l.t = t
	return repository{&l, r.dir}
}

// commit makes one without files.
func (r repository) commit(message string, more ...string) string {
	empty := r.git("hash-object", "-t", "tree", "-w", "/dev/null")
	args := []string{"-c", "user.name=engineer", "-c", "user.email=engineer@localhost", "commit-tree", "-m", message, empty}
	return r.git(append(args, more...)...)
}

func (r repository) git(args ...string) string {
	return r.lab.run("git", append([]string{"-C", r.dir}, args...)...)
}

func (r repository) payload(push [3]string) []byte {
	return []byte(r.lab.run("sh", "-c", `cd "$0" && exec "$1" payload "$2" "$3" "$4"`,
		r.dir, filepath.Join(r.lab.home, "github"), push[0], push[1], push[2]))
}
