package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/ledger"
)

// peopleTemplate is a job that writes down what it was asked for.
func peopleTemplate(log string) string {
	text := replaceOnce(template, `{{template "p" "AUTOBUILDER_ID"}}`,
		`{{template "p" "AUTOBUILDER_ID"}}{{template "p" "RELEASE"}}{{template "p" "RUN"}}`)
	return replaceOnce(text, `echo "built $COMMIT as ${TAG:-no tag}"`,
		fmt.Sprintf(`echo "$JOB_NAME $TAG ${RUN:-deploy} $RELEASE" &gt;&gt;%s`, log))
}

// withPeople is a stage of two projects with a Jenkins beside autobuilder: it
// goes on when autobuilder is killed.
func withPeople(t *testing.T) (s *stage, log string) {
	t.Helper()
	s = newStage(t, "")
	log = filepath.Join(s.dir, "log")
	s.write("templates/echo.xml.tmpl", peopleTemplate(log))
	billing := filepath.Join(s.dir, "billing")
	s.git("init", "--quiet", "--initial-branch=master", billing)
	s.git("-C", billing, "commit", "--quiet", "--allow-empty", "-m", "three")
	s.git("-C", billing, "tag", "v3.0.0")
	s.write("autobuilder.yml", fmt.Sprintf(`
listen: 127.0.0.1:0
jobs_sync: true
jenkins: {url: '%s'}
templates: templates
settle: 50ms
poll: 20ms
github: {secret_env: SECRET}
projects:
  - {name: shop, repo: acme/shop, clone_url: %s, template: echo}
  - {name: billing, repo: acme/billing, clone_url: %s, template: echo}
`, startJenkins(t), s.repo, billing))
	return s, log
}

func (s *stage) shown(name string) build.Hold {
	s.t.Helper()
	out, code := s.command("holds", "--json", name)
	require.Zero(s.t, code, out)
	var h build.Hold
	require.NoError(s.t, json.Unmarshal([]byte(out), &h))
	return h
}

const twoServices = `# Two services and one database

- [ ] tell support
- [ ] run: ./migrate expand
- [ ] wait: 1s
- [ ] deploy billing@v3.0.0
- [ ] wait: 1s
- [ ] deploy shop@v2.0.0
- [ ] wait: 1s
- [ ] run: ./migrate contract
`

// A major is held, approved and taken through its checklist by the command
// line, while autobuilder is killed again and again: no step is done twice.
func TestAChecklistSurvivesKills(t *testing.T) {
	t.Parallel()
	s, log := withPeople(t)
	v := s.serve()
	s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v.tell("d1", "refs/heads/master")
	s.reaches(0, build.Succeeded)
	s.write("shop/.deliver/release.md", twoServices)
	s.git("-C", s.repo, "add", "-A")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v2.0.0")
	v.tell("d2", "refs/heads/master")
	s.reaches(1, build.Held)

	_, code := s.command("tick", "shop@v2.0.0")
	assert.Equal(t, exitFailed, code, "not before it is approved")
	out, code := s.command("approve", "--note", "read it", "shop@v2.0.0")
	require.Zero(t, code)
	assert.Contains(t, out, "deploy billing@v3.0.0")
	_, code = s.command("approve", "shop@v2.0.0")
	assert.Equal(t, exitFailed, code)
	_, code = s.command("tick", "--note", "in the room", "shop@v2.0.0")
	require.Zero(t, code)

	kills := s.killAfterEachMove(v, s.builds()[1].ID)
	assert.GreaterOrEqual(t, kills, 3)
	s.reaches(1, build.Succeeded)
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"shop v1.0.0 deploy", "shop v2.0.0 ./migrate expand", "billing v3.0.0 deploy", "shop v2.0.0 deploy", "shop v2.0.0 ./migrate contract",
	}, trimmed(string(text)))
	h := s.shown(s.builds()[1].ID)
	assert.Equal(t, operator(), h.Steps[0].By)
	assert.Equal(t, "in the room", h.Steps[0].Why)
	t.Logf("%d kills, %d acts in the ledger", kills, len(h.Acts))
}

// killAfterEachMove kills autobuilder as soon as the checklist has moved, and
// starts it again, until the release is out. It says how often.
func (s *stage) killAfterEachMove(v *server, id string) (kills int) {
	s.t.Helper()
	book, err := ledger.Open(s.t.Context(), filepath.Join(s.dir, "data", "ledger.db"))
	require.NoError(s.t, err)
	defer book.Close()
	var h build.Hold
	for h.State != build.Released {
		moves := len(h.Acts)
		require.Eventually(s.t, func() bool {
			h, err = book.Hold(s.t.Context(), id)
			return err == nil && (len(h.Acts) > moves || h.State == build.Released)
		}, patient, time.Millisecond, "the checklist goes on after %d kills", kills)
		v.kill()
		kills++
		v = s.serve()
	}
	return kills
}

func trimmed(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

func TestHoldsOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s, _ := withPeople(t)
	v := s.serve()
	s.commit("one")
	s.git("-C", s.repo, "tag", "v1.0.0")
	v.tell("d1", "refs/heads/master")
	s.reaches(0, build.Succeeded)
	s.write("shop/.deliver/release.md", "- [ ] tell support\n")
	s.git("-C", s.repo, "add", "-A")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v2.0.0")

	s.write("push.json", string(s.payload("refs/heads/master")))
	out, code := s.command("explain", filepath.Join(s.dir, "push.json"))
	require.Zero(t, code)
	assert.Contains(t, out, "build: pushed to master: v2.0.0 is a major release: v1.0.0 is live")
	assert.Contains(t, out, "but not before it has 1 approvals\nand step 1: tell support\n")
	v.tell("d2", "refs/heads/master")
	s.reaches(1, build.Held)
	out, code = s.command("holds")
	require.Zero(t, code)
	assert.Contains(t, out, "v2.0.0 is a major release")
	assert.Contains(t, out, "0/1")
	out, code = s.command("reject", "--note", "not on a Friday", "shop")
	require.Zero(t, code)
	assert.Contains(t, out, "rejected by "+operator()+": not on a Friday")
	s.reaches(1, build.Rejected)
	out, _ = s.command("holds")
	assert.NotContains(t, out, "v2.0.0")
	out, _ = s.command("holds", "--all")
	assert.Contains(t, out, "refused")
	for _, args := range [][]string{{"approve"}, {"tick", "a", "b"}, {"holds", "a", "b"}} {
		_, code = s.command(args...)
		assert.Equal(t, exitUsage, code, args)
	}
	for _, args := range [][]string{{"approve", "nothing"}, {"holds", "nothing"}} {
		_, code = s.command(args...)
		assert.Equal(t, exitFailed, code, args)
	}
}
