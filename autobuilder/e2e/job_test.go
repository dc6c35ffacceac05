package e2e

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The main job: a push of a tagged master ends on every server, without a
// failed request; a bad release ends on none; a new server gets the newest good
// one by itself.
func TestOnePushReachesEveryServer(t *testing.T) {
	for name, s := range map[string]shape{
		"with the embedded Jenkins": {jenkins: "embedded", kind: "namespaces"},
		"with a real Hudson":        {jenkins: "hudson", kind: "namespaces"},
		"without namespaces":        {jenkins: "embedded", kind: "loopback"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, s)
			l.binaries()
			l.demo("servers", "balancer", "services", "project")
			l.isEmpty()

			l.demo("first")
			first := l.runs("1.0.0")
			l.hasBuilt("v1.0.0", 1)

			assert.Contains(t, l.demo("second"), `"failed":0`)
			second := l.runs("1.1.0")
			assert.NotEqual(t, first, second)
			l.hasBuilt("v1.1.0", 2)
			l.went(second, "healthy", "h1", "h2", "h3")

			assert.Contains(t, l.demo("bad"), `"failed":0`)
			assert.Equal(t, second, l.runs("1.1.0"))
			l.hasRefused("v1.2.0", 3)

			l.demo("join")
			assert.Equal(t, []string{"h1", "h2", "h3", "h4"}, l.servers())
			assert.Equal(t, second, l.runs("1.1.0"))

			l.tells(l.demo("table"))
		})
	}
}

// isEmpty: three servers that run nothing yet.
func (l *lab) isEmpty() {
	l.t.Helper()
	require.Equal(l.t, []string{"h1", "h2", "h3"}, l.servers())
	for _, host := range l.servers() {
		assert.Equal(l.t, "none", l.on(host, "test -e "+l.root()+"/current && echo one || echo none"))
	}
	status, _ := l.get(l.front + "/")
	assert.Equal(l.t, 503, status)
	assert.Empty(l.t, l.history().Builds)
	assert.Empty(l.t, l.s3("ls", "-r", "s3://builds"))
}

// root is where the app lies on a server.
func (l *lab) root() string {
	l.t.Helper()
	return l.script("servers", "root")
}

// runs: every server and the balancer answer with the version; it is the id of
// the release that all of them run.
func (l *lab) runs(version string) string {
	l.t.Helper()
	release := ""
	for _, host := range l.servers() {
		current := filepath.Base(l.on(host, "readlink "+l.root()+"/current"))
		if release == "" {
			release = current
		}
		assert.Equal(l.t, release, current, host)
		assert.Equal(l.t, version, l.field(l.on(host, "cat "+l.root()+"/current/package.json"), "version"), host)
	}
	for range 2 * len(l.servers()) { // round robin: each server at least once
		status, body := l.get(l.front + "/")
		assert.Equal(l.t, 200, status)
		assert.Equal(l.t, "sample "+version+"\n", body)
	}
	return release
}

func (l *lab) field(document, name string) string {
	l.t.Helper()
	var fields map[string]any
	require.NoError(l.t, json.Unmarshal([]byte(document), &fields), document)
	text, _ := fields[name].(string)
	return text
}

// hasBuilt: one build of the tag, of its two deliveries, with all the steps and
// its archive in the store.
func (l *lab) hasBuilt(tag string, number int64) {
	l.t.Helper()
	b := l.oneBuild(tag, number)
	assert.Equal(l.t, "succeeded", b.State)
	console := l.console(number)
	assert.Equal(l.t, []string{"checkout", "1", "2", "3", "4", "5", "6", "done"}, steps(console))
	assert.Contains(l.t, console, "Finished: SUCCESS")
	assert.Contains(l.t, console, l.buildTag(number)+"-prebuilt")
	l.isStored(b, tag)
	l.isShown(b, "ok")
}

// hasRefused: the build of the tag is red, ended at the deploy, was seen by one
// server only, and is not what a new server would install.
func (l *lab) hasRefused(tag string, number int64) {
	l.t.Helper()
	b := l.oneBuild(tag, number)
	assert.Equal(l.t, "failed", b.State)
	l.isShown(b, "rolled back")
	console := l.console(number)
	assert.Equal(l.t, []string{"checkout", "1", "2", "3", "4", "5"}, steps(console))
	assert.Contains(l.t, console, "Finished: FAILURE")
	l.went(l.buildTag(number), "rolled back", "h1")
	assert.Equal(l.t, "v1.1.0", l.field(l.s3("get", "s3://builds/sample/latest.json", "-"), "version"))
}

// buildTag is Jenkins' name of a build, which is the release's.
func (l *lab) buildTag(number int64) string {
	prefix := map[string]string{"embedded": "jenkins", "hudson": "hudson"}[l.shape.jenkins]
	return prefix + "-sample-" + strconv.FormatInt(number, 10)
}

// past is what autobuilder's ledger says.
type past struct {
	Builds     []built
	Deliveries []struct {
		Ref, Verdict, Build, Commit, By string
		Received                        time.Time
	}
}

type built struct {
	ID, Project, Commit, Tag, Branch, State, By, Why, Only, Release string
	Number                                                          int64
	Created, Started, Ended                                         time.Time
}

func (l *lab) history() past {
	l.t.Helper()
	var found past
	out := l.program("autobuilder", "--config", filepath.Join(l.dir, "autobuilder", "autobuilder.yml"), "history", "--json")
	require.NoError(l.t, json.Unmarshal([]byte(out), &found), out)
	return found
}

// oneBuild is the build of a tag: there is one, both deliveries led to it, and it
// is the newest of all.
func (l *lab) oneBuild(tag string, number int64) built {
	l.t.Helper()
	h := l.history()
	require.Len(l.t, h.Builds, int(number))
	b := h.Builds[0]
	assert.Equal(l.t, tag, b.Tag)
	assert.Equal(l.t, "master", b.Branch)
	assert.Equal(l.t, number, b.Number)
	assert.Equal(l.t, l.run("git", "-C", filepath.Join(l.dir, "sample.git"), "rev-parse", tag+"^{commit}"), b.Commit)
	var refs []string
	for _, d := range h.Deliveries {
		if d.Build == b.ID {
			refs = append(refs, d.Ref)
		}
	}
	assert.ElementsMatch(l.t, []string{"refs/heads/master", "refs/tags/" + tag}, refs)
	return b
}

// console is the build's, as Jenkins itself gives it.
func (l *lab) console(number int64) string {
	l.t.Helper()
	status, text := l.get(l.ci + "/job/sample/" + strconv.FormatInt(number, 10) + "/consoleText")
	require.Equal(l.t, 200, status)
	return text
}

// steps are the headings that the job's steps print.
func steps(console string) []string {
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^===== \S+ (\S+)`).FindAllStringSubmatch(console, -1) {
		names = append(names, match[1])
	}
	return names
}

// isStored: the archive that the article's new server asks for is this build's,
// with the dependencies and Node in it, and latest.json says so.
func (l *lab) isStored(b built, tag string) {
	l.t.Helper()
	latest := l.s3("get", "s3://builds/sample/latest.json", "-")
	assert.Equal(l.t, tag, l.field(latest, "version"))
	assert.Equal(l.t, b.Commit, l.field(latest, "commit"))
	archive := filepath.Join(filepath.Dir(l.dir), tag+".tar")
	l.s3("get", "s3://builds/sample/sample.tar", archive)
	content, err := os.ReadFile(archive)
	require.NoError(l.t, err)
	digest := sha256.Sum256(content)
	assert.Equal(l.t, hex.EncodeToString(digest[:]), l.field(latest, "sha256"))
	names := l.entries(archive)
	for _, name := range []string{"app", "server.js", ".node/bin/node", "node_modules/express/package.json"} {
		assert.Contains(l.t, names, name)
	}
}

func (l *lab) entries(archive string) []string {
	l.t.Helper()
	file, err := os.Open(archive)
	require.NoError(l.t, err)
	defer file.Close() //nolint:errcheck // it was only read
	var names []string
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if err == io.EOF { //nolint:errorlint // Next says that it is never wrapped
			return names
		}
		require.NoError(l.t, err)
		names = append(names, header.Name)
	}
}

// went: a release was switched to on exactly these servers, one after the other
// in this order, with this result.
func (l *lab) went(release, result string, hosts ...string) {
	l.t.Helper()
	var seen []string
	var last time.Time
	for _, host := range l.servers() {
		for line := range strings.Lines(l.on(host, "cat "+l.root()+"/.deliver/history.jsonl")) {
			if l.field(line, "release") != release {
				continue
			}
			seen = append(seen, host)
			assert.Equal(l.t, result, l.field(line, "result"), line)
			at, err := time.Parse(time.RFC3339Nano, l.field(line, "time"))
			require.NoError(l.t, err, line)
			assert.True(l.t, at.After(last), "%s was not after the one before", host)
			last = at
		}
	}
	assert.Equal(l.t, hosts, seen)
}

// tells: the last table says it, and the page still shows it.
func (l *lab) tells(table string) {
	l.t.Helper()
	counts := regexp.MustCompile(`requests, \d+ failed`).FindAllString(table, -1)
	assert.Equal(l.t, []string{"requests, 0 failed", "requests, 0 failed"}, counts)
	assert.Contains(l.t, table, l.page)
	status, page := l.get(l.page + "/")
	assert.Equal(l.t, 200, status)
	assert.Contains(l.t, page, "v1.2.0")
	assert.Contains(l.t, page, "sample")
}
