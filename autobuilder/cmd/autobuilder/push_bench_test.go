package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// BenchmarkPush: from a delivery of a tagged push to the first line of its
// build's console, with a Jenkins that has nothing else to do: embedded, and a
// process of its own. All times are of one clock: the sender's, the ledger's,
// and what the build's own shell notes first.
func BenchmarkPush(b *testing.B) {
	for name, jenkins := range map[string]func(*testing.B, *stage) string{
		"embedded": func(*testing.B, *stage) string { return "jenkins: {listen: 127.0.0.1:0}" },
		"beside":   besideJenkins,
	} {
		b.Run(name, func(b *testing.B) {
			s := &stage{t: b, dir: b.TempDir()}
			s.repo = filepath.Join(s.dir, "shop")
			s.git("init", "--quiet", "--initial-branch=master", s.repo)
			s.write("templates/echo.xml.tmpl", strings.Replace(template, "echo ", "#!/bin/sh\ndate +%s%N >>"+s.file("began")+"; echo ", 1))
			s.write("autobuilder.yml", fmt.Sprintf(
				"listen: 127.0.0.1:0\njobs_sync: true\ntemplates: templates\n%s\ngithub: {secret_env: SECRET}\n"+
					"projects: [{name: shop, repo: acme/shop, clone_url: %s, template: echo}]\n", jenkins(b, s), s.repo))
			s.commit("first")
			v := s.serve()
			var all []journey
			for b.Loop() {
				all = append(all, v.journey(len(all)))
			}
			b.ReportMetric(0, "ns/op")
			median(b, all, "ms-to-202", func(j journey) time.Duration { return j.kept.Sub(j.sent) })
			median(b, all, "ms-to-trigger", func(j journey) time.Duration { return j.triggered.Sub(j.sent) })
			median(b, all, "ms-to-first-line", func(j journey) time.Duration { return j.began.Sub(j.sent) })
			median(b, all, "ms-of-git", func(journey) time.Duration { return s.lsRemote() })
		})
	}
}

func besideJenkins(b *testing.B, s *stage) string {
	address := loopback(b)
	cmd := exec.CommandContext(b.Context(), "embedded-jenkins", address, s.file("jenkins"))
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	require.Eventually(b, func() bool { return answers(address) }, patient, 5*time.Millisecond)
	return "jenkins: {url: 'http://" + address + "'}"
}

// journey is when a push was where.
type journey struct {
	sent, kept, triggered, began time.Time
}

// journey pushes a tagged commit and follows it.
func (v *server) journey(n int) (j journey) {
	v.commit(fmt.Sprint("commit ", n))
	v.git("-C", v.repo, "tag", fmt.Sprint("v1.0.", n))
	request := v.delivery(fmt.Sprint("push-", n), v.payload("refs/heads/master"))
	j.sent = time.Now()
	response, err := http.DefaultClient.Do(request)
	j.kept = time.Now()
	require.NoError(v.t, err)
	response.Body.Close()
	require.Equal(v.t, http.StatusAccepted, response.StatusCode)
	j.triggered = v.reaches(n, build.Succeeded).Triggered
	text, err := os.ReadFile(v.file("began"))
	require.NoError(v.t, err)
	nanoseconds, err := strconv.ParseInt(strings.Fields(string(text))[n], 10, 64)
	require.NoError(v.t, err)
	j.began = time.Unix(0, nanoseconds)
	return j
}

// lsRemote is what git alone takes to ask for branches and tags.
func (s *stage) lsRemote() time.Duration {
	began := time.Now()
	s.git("ls-remote", "--heads", "--tags", "--", s.repo)
	return time.Since(began)
}

func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }

func median(b *testing.B, all []journey, unit string, of func(journey) time.Duration) {
	var took []time.Duration
	for _, j := range all {
		took = append(took, of(j))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, unit)
}
