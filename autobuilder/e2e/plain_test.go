package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A project that isn't Node: its own script makes the release, nothing is
// restarted, and its health is a command.
func TestAProjectThatIsNotNode(t *testing.T) {
	l := newLab(t, shape{jenkins: "embedded", kind: "namespaces"})
	l.env = append(l.env, "LAB_PLAIN=pages")
	l.binaries()
	l.demo("servers", "services")

	l.push("pages", "sample-plain", "v2.0.0")
	l.ends(built{}, "succeeded")

	for _, host := range l.servers() {
		assert.Contains(t, l.on(host, "cat ~/pages/current/public/index.html"), "v2.0.0", host)
	}
	assert.Contains(t, l.s3("ls", "-r", "s3://builds"), "s3://builds/pages/pages.tar")
	assert.Equal(t, "v2.0.0", l.field(l.s3("get", "s3://builds/pages/latest.json", "-"), "version"))
}

// push makes a repository of a sample, and pushes its first commit with a tag.
func (l *lab) push(name, sample, tag string) {
	l.t.Helper()
	remote, clone := filepath.Join(l.dir, name+".git"), filepath.Join(l.dir, name)
	l.script("github", "create", remote, "acme/"+name, l.page+"/webhooks/github", filepath.Join(l.dir, "autobuilder", "secret"))
	require.NoError(l.t, os.CopyFS(clone, os.DirFS(filepath.Join(l.home, "..", "jenkins-jobs", sample))))
	l.run("git", "-C", clone, "init", "-q", "-b", "master")
	l.release(clone, remote, tag)
}

// newest is the build that was made last; empty: there is none.
func (l *lab) newest() (b built) {
	l.t.Helper()
	if builds := l.history().Builds; len(builds) > 0 {
		b = builds[0]
	}
	return b
}

// ends waits for a newer build than that one to come to its end, and shows its console.
func (l *lab) ends(than built, state string) {
	l.t.Helper()
	final := map[string]bool{"succeeded": true, "failed": true, "aborted": true, "lost": true}
	var b built
	require.Eventually(l.t, func() bool {
		b = l.newest()
		return b.ID != than.ID && final[b.State]
	}, 2*time.Minute, 100*time.Millisecond)
	_, console := l.get(l.page + "/builds/" + b.ID + "/console")
	l.t.Log(console)
	assert.Equal(l.t, state, b.State)
}
