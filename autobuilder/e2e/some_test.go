package e2e

import (
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// aServerTriesABranch: one of three servers runs a branch that the room put there.
// What is live, and what a new server would install, stays as it is. It is put back
// to what the others run; once master stands at the branch's commit, all servers get
// it, by a build of its own.
func (d *day) aServerTriesABranch() {
	d.t.Helper()
	release, latest := d.runs("2.1.1"), d.s3("get", "s3://builds/sample/latest.json", "-")
	project, remote := filepath.Join(d.dir, "project"), filepath.Join(d.dir, "sample.git")
	d.run("git", "-C", project, "checkout", "-q", "-b", "topic")
	d.replace("package.json", `"version": "2.1.1"`, `"version": "2.2.0"`)
	d.run("git", "-C", project, "-c", "user.name=engineer", "-c", "user.email=engineer@localhost", "commit", "-q", "-a", "-m", "try it")
	d.run("git", "-C", project, "push", "-q", remote, "topic")
	topic, master := d.run("git", "-C", remote, "rev-parse", "topic"), d.run("git", "-C", remote, "rev-parse", "master")
	d.room.Asks("deploy sample/topic to production/h1", "sample: triggered by hand to h1 only")
	d.ends(built{Only: "h1", Commit: topic})
	assert.Equal(d.t, "2.2.0", d.version("h1"))
	for _, host := range []string{"h2", "h3"} {
		assert.Equal(d.t, release, filepath.Base(d.on(host, "readlink "+d.root()+"/current")), host)
	}
	assert.Equal(d.t, latest, d.s3("get", "s3://builds/sample/latest.json", "-"))
	d.sees(
		chromedp.Navigate(d.page+"/"),
		labtest.Until(`document.querySelector(".board .envs").textContent.includes("v2.1.1")`),
		labtest.Until(`document.querySelector("#newest td.main").textContent.includes("to h1 only")`),
	)

	d.room.Asks("deploy sample to production/h1", release+" is deployed again to h1 only, nothing is built")
	d.ends(built{Only: "h1", Commit: master, Release: release})
	assert.Equal(d.t, release, d.runs("2.1.1"), "the very release that the others run")

	d.run("git", "-C", project, "push", "-q", remote, "topic:master")
	d.ends(built{Commit: topic})
	d.runs("2.2.0")
	assert.NotEqual(d.t, latest, d.s3("get", "s3://builds/sample/latest.json", "-"))
}

// ends waits until the newest build is this one, and went well.
func (d *day) ends(want built) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		b := d.newest()
		return b.State == "succeeded" && want == built{Only: b.Only, Commit: b.Commit, Release: b.Release}
	}, dayTime, 100*time.Millisecond, "the newest build is %v, and went well", want)
}

// version is that of the app which a server runs.
func (d *day) version(host string) string {
	d.t.Helper()
	return d.field(d.on(host, "cat "+d.root()+"/current/package.json"), "version")
}
