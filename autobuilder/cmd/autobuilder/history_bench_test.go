package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/ledger"
)

// month fills a ledger with 30 days of twenty projects: 100,000 deliveries of
// 8 kB, 20,000 builds.
const month = `
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)
INSERT INTO builds (id, project, job, "commit", attempt, branch, tag, version, by, message, state, why, accepted, taken, number, url,
	created, triggered, started, ended)
SELECT 'b' || i, 'p' || (i % 20), 'p' || (i % 20), printf('%040x', i), 1, 'master', iif(i % 5, '', 'v1.0.' || i), iif(i % 5, '', 'v1.0.' || i),
	'ada', 'change ' || i, iif(i % 9, 'succeeded', 'failed'), '', 1, 1, i / 20 + 1, 'http://ci.test/job/p' || i % 20 || '/' || (i / 20 + 1) || '/',
	t, t, t, t
FROM (SELECT i, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-' || ((20000 - i) * 129) || ' seconds') AS t FROM n);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
INSERT INTO deliveries (id, event, received, body, repo, ref, "commit", by, push, verdict, why, build)
SELECT 'd' || i, 'push', strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-' || ((100000 - i) * 26) || ' seconds'), randomblob(8192), 'acme/p' || (i / 5 % 20),
	'refs/heads/master', printf('%040x', i / 5), 'ada', '{"repo":"acme/p' || i / 5 % 20 || '","ref":"refs/heads/master"}',
	iif(i % 5, 'joined', 'build'), 'pushed to master', 'b' || (i / 5)
FROM n;
INSERT INTO rollouts (run, build, project, environment, action, release, version, "commit", by, result, error, started, ended, sha256, size, hosts)
SELECT 'run-' || id, id, project, '', 'push', 'jenkins-' || job || '-' || number, version, "commit", by, iif(state = 'succeeded', 'ok', 'rolled back'), '',
	started, ended, printf('%064x', number), 30000000,
	'[{"host":"web-1","result":"ok","took":9.8,"stages":[{"name":"ship","state":"done","took":3.1},{"name":"switch","state":"done","took":6.2}]}]'
FROM builds WHERE number % 2;
`

// BenchmarkHistory: how long each page and answer takes over a month's history,
// and how long the server takes to start on it.
func BenchmarkHistory(b *testing.B) {
	s := &stage{t: b, dir: b.TempDir()}
	var projects strings.Builder
	for n := range 20 {
		dir := filepath.Join(s.dir, fmt.Sprint("r", n))
		s.git("init", "--quiet", "--bare", "--initial-branch=master", dir)
		fmt.Fprintf(&projects, "  - {name: p%d, repo: acme/p%[1]d, clone_url: %s, template: echo}\n", n, dir)
	}
	s.write("templates/echo.xml.tmpl", template)
	s.write("autobuilder.yml", anyPorts+"\ntemplates: templates\ngithub: {secret_env: SECRET}\nprojects:\n"+projects.String())
	path := filepath.Join(s.dir, "data", "ledger.db")
	book, err := ledger.Open(b.Context(), path)
	require.NoError(b, err)
	require.NoError(b, book.Close())
	fill := exec.CommandContext(b.Context(), "sqlite3", path)
	fill.Stdin = strings.NewReader(month)
	output, err := fill.CombinedOutput()
	require.NoError(b, err, string(output))

	s.serve().stop() // the jobs are made once
	began := time.Now()
	v := s.serve()
	status, _ := v.get("/healthz")
	started := time.Since(began)
	require.Equal(b, http.StatusOK, status)
	b.Run("start", func(b *testing.B) {
		for b.Loop() { //nolint:revive // it was measured above
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(started.Milliseconds()), "ms-to-first-answer")
	})
	for _, page := range []string{
		"/", "/projects/p7", "/projects/p7?before=b10007", "/builds/b19987", "/holds", "/ledger", "/ledger?q=v1.0.19985", "/ledger?q=00000000000000", "/ledger?q=ada",
		"/ledger?q=p7", "/api/v1/live", "/api/v1/builds/b19987/rollouts", "/api/v1/projects", "/api/v1/builds", "/api/v1/builds?project=p7&limit=1000",
		"/api/v1/builds/b19987", "/api/v1/ledger", "/api/v1/ledger?limit=1000", "/healthz",
	} {
		b.Run(strings.ReplaceAll(strings.Trim(page, "/"), "/", "-"), func(b *testing.B) { v.measure(b, page) })
	}
}

func (v *server) measure(b *testing.B, page string) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		status, _ := v.get(page)
		took = append(took, time.Since(began))
		if status != http.StatusOK {
			b.Fatal(page, status)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
