package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const twoServices = `# 2.0: two services and one database

- [ ] tell support
- [ ] run: echo expand >>"$LAB/database"
- [ ] deploy pages@v3.0.0
- [ ] wait: 1s
- [ ] look at the pages
- [ ] deploy sample@v2.0.0
- [ ] look at the sample
- [ ] run: echo contract >>"$LAB/database"
`

// A major with a change of the database, of two services, on live servers and
// under load: it waits for people, goes through its checklist although
// autobuilder is killed on the way, and is taken back by pushing master back.
func TestAMajorOfTwoServicesAndItsWayBack(t *testing.T) {
	l := newLab(t, shape{jenkins: "embedded", kind: "namespaces"})
	l.env = append(l.env, "LAB_PLAIN=pages")
	l.binaries()
	l.demo("servers", "balancer", "services", "project", "first")
	first := l.runs("1.0.0")
	before := l.newest()
	l.push("pages", "sample-plain", "v2.0.0")
	l.ends(before, "succeeded")

	l.script("load", "start")
	l.major()
	l.book("approve", "sample@v2.0.0")
	for _, step := range []int{1, 5, 7} {
		l.reachesStep(step)
		l.killAutobuilder()
		l.book("tick", "--step", strconv.Itoa(step), "sample@v2.0.0")
	}
	require.Eventually(t, func() bool { return l.holdOfSample().State == "released" }, 2*time.Minute, 100*time.Millisecond)
	assert.Contains(t, l.script("load", "stop"), `"failed":0`)
	second := l.runs("2.0.0")
	for _, host := range l.servers() {
		assert.Contains(t, l.on(host, "cat ~deploy/pages/current/public/index.html"), "v3.0.0", host)
	}
	database, err := os.ReadFile(filepath.Join(l.dir, "database"))
	require.NoError(t, err)
	assert.Equal(t, "expand\ncontract\n", string(database), "each command once")
	l.went(second, "healthy", l.servers()...)

	l.script("load", "start")
	before = l.newest()
	began := time.Now()
	l.run("git", "-C", filepath.Join(l.dir, "project"), "push", "-q", "--force", "origin", "v1.0.0^{}:master")
	l.ends(before, "succeeded")
	t.Logf("pushed back and live again after %s", time.Since(began).Round(100*time.Millisecond))
	assert.Contains(t, l.script("load", "stop"), `"failed":0`)
	assert.Equal(t, first, l.runs("1.0.0"), "the very release that ran before")
	assert.Equal(t, []string{"checkout", "redeploy"}, steps(l.console(l.history().Builds[0].Number)), "nothing is built")
	assert.Equal(t, "v1.0.0", l.field(l.s3("get", "s3://builds/sample/latest.json", "-"), "version"))
}

// major pushes both services' next majors, and waits until they are held.
func (l *lab) major() {
	l.t.Helper()
	pages, sample := filepath.Join(l.dir, "pages"), filepath.Join(l.dir, "project")
	manifest := filepath.Join(sample, "package.json")
	text, err := os.ReadFile(manifest)
	require.NoError(l.t, err)
	require.NoError(l.t, os.WriteFile(manifest, []byte(strings.Replace(string(text), `"version": "1.0.0"`, `"version": "2.0.0"`, 1)), 0o600))
	require.NoError(l.t, os.WriteFile(filepath.Join(sample, ".deliver", "release.md"), []byte(twoServices), 0o600))
	for dir, tag := range map[string]string{pages: "v3.0.0", sample: "v2.0.0"} {
		remote := map[string]string{pages: filepath.Join(l.dir, "pages.git"), sample: filepath.Join(l.dir, "sample.git")}[dir]
		l.release(dir, remote, tag)
	}
	require.Eventually(l.t, func() bool {
		held := 0
		for _, b := range l.history().Builds {
			if b.State == "held" {
				held++
			}
		}
		return held == 2
	}, time.Minute, 100*time.Millisecond, "both majors wait")
}

// release commits what was changed in a clone, tags it and pushes both.
func (l *lab) release(clone, remote, tag string) {
	l.t.Helper()
	for _, args := range [][]string{
		{"add", "-A"},
		{"-c", "user.name=engineer", "-c", "user.email=engineer@localhost", "commit", "-q", "--allow-empty", "-m", tag},
		{"tag", tag},
		{"push", "-q", remote, "master", tag},
	} {
		l.run("git", append([]string{"-C", clone}, args...)...)
	}
}

// book is autobuilder's command line.
func (l *lab) book(args ...string) string {
	l.t.Helper()
	return l.program("autobuilder", append([]string{"--config", filepath.Join(l.dir, "autobuilder", "autobuilder.yml")}, args...)...)
}

type waits struct {
	Build, Project, State string
	Steps                 []struct{ State string }
	Acts                  []struct {
		Kind, By, Note string
		Step           int
		At             time.Time
	}
}

func (l *lab) holdOfSample() waits {
	l.t.Helper()
	var all []waits
	require.NoError(l.t, json.Unmarshal([]byte(l.book("holds", "--all", "--json")), &all))
	for _, h := range all {
		if h.Project == "sample" {
			return h
		}
	}
	return waits{}
}

// reachesStep waits until all steps before the nth are done.
func (l *lab) reachesStep(n int) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		h := l.holdOfSample()
		return len(h.Steps) >= n && (n == 1 || h.Steps[n-2].State == "done")
	}, 2*time.Minute, 100*time.Millisecond, "it comes to step %d", n)
}

// killAutobuilder ends it as a crash does, and starts it again.
func (l *lab) killAutobuilder() {
	l.t.Helper()
	pid := l.autobuilder()
	require.NoError(l.t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(l.t, func() bool { return syscall.Kill(pid, 0) != nil }, 30*time.Second, 20*time.Millisecond)
	l.demo("services")
}

// autobuilder is the pid of the one that runs.
func (l *lab) autobuilder() int {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, "autobuilder.pid"))
	require.NoError(l.t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(l.t, err)
	return pid
}
