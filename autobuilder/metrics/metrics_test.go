package metrics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/ledger"
	"autobuilder/metrics"
)

// shown is what Prometheus sees of a ledger in which something of everything happened.
func shown(t *testing.T) string {
	t.Helper()
	book, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, book.Close()) })
	require.NoError(t, book.Tell(t.Context(), map[string]build.Order{"slack": build.ByThread}))
	begun := time.Now().Add(-time.Hour)
	for i, state := range []build.State{build.Succeeded, build.Succeeded, build.Failed, build.Queued, build.Held} {
		add(t, book, i, state, begun)
	}
	require.NoError(t, book.Store(t.Context(), build.Delivery{ID: "undecided", Received: begun, Push: build.Push{Repo: "acme/shop"}}))
	require.NoError(t, book.Lock(t.Context(), build.Lock{Project: "shop", By: "ada", Since: begun}))
	live := func(ctx context.Context) ([]build.Live, error) {
		l, err := book.Live(ctx, "shop", "")
		return []build.Live{l, {Project: "till"}}, err
	}
	w := httptest.NewRecorder()
	handler := metrics.New(metrics.Options{Ledger: book, Live: live, Log: slog.New(slog.DiscardHandler)})
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

func add(t *testing.T, book *ledger.Ledger, i int, state build.State, begun time.Time) {
	t.Helper()
	id := string(rune('a' + i))
	b := build.Build{ID: id, Project: "shop", Job: "shop", Commit: "c" + id, Attempt: 1, Tag: "v1.0." + id, Version: "v1.0.0", State: build.Queued, Created: begun}
	decision := ledger.Decision{Delivery: "d" + id, Verdict: ledger.Built, Build: id}
	if state == build.Held {
		b.State = state
		decision.Hold = []build.Hold{{Build: id, Project: "shop", Why: "a major", Needed: 1, Since: begun}}
	}
	decision.Add = []build.Build{b}
	require.NoError(t, book.Store(t.Context(), build.Delivery{ID: "d" + id, Event: "push", Received: begun}))
	require.NoError(t, book.Decide(t.Context(), decision))
	if state.Final() {
		b.State, b.Number, b.Started, b.Ended = state, int64(i+1), begun, begun.Add(90*time.Second)
		require.NoError(t, book.Move(t.Context(), build.Queued, b))
	}
}

func TestWhatPrometheusSees(t *testing.T) {
	t.Parallel()
	text := shown(t)
	for _, line := range []string{
		`autobuilder_builds_total{project="shop",state="succeeded"} 2`,
		`autobuilder_builds_total{project="shop",state="failed"} 1`,
		`autobuilder_builds_open{project="shop",state="queued"} 1`,
		`autobuilder_builds_open{project="shop",state="held"} 1`,
		`autobuilder_build_duration_seconds_count{project="shop",state="succeeded"} 2`,
		`autobuilder_live_info{commit="cb",environment="",project="shop",version="v1.0.0"} 1`,
		`autobuilder_holds{project="shop",state="waiting"} 1`,
		`autobuilder_locked_info{by="ada",project="shop"} 1`,
		`autobuilder_deliveries_total 6`,
		`autobuilder_deliveries_pending 1`,
	} {
		assert.Contains(t, text, line+"\n")
	}
	assert.Regexp(t, `autobuilder_build_duration_seconds_sum\{project="shop",state="succeeded"\} (180|179\.99\d*|180\.00\d*)\n`, text)
	assert.Regexp(t, `autobuilder_deliveries_pending_oldest_seconds 3[67]\d\d\.`, text)
	assert.Regexp(t, `autobuilder_outbox_messages\{notifier="slack"\} [1-9]`, text)
	assert.NotContains(t, text, `project="till"`, "nothing runs of it")
	assert.Contains(t, text, "process_resident_memory_bytes")
}

func TestALedgerThatCantBeReadIsAnError(t *testing.T) {
	t.Parallel()
	book, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	require.NoError(t, book.Close())
	w := httptest.NewRecorder()
	live := func(context.Context) ([]build.Live, error) { return nil, errors.New("gone") }
	metrics.New(metrics.Options{Ledger: book, Live: live, Log: slog.New(slog.DiscardHandler)}).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	assert.Equal(t, http.StatusInternalServerError, w.Code)
}

// promtool runs Prometheus' own checker.
func promtool(t *testing.T, in string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), labtest.Program(t, "promtool"), args...)
	cmd.Stdin = strings.NewReader(in)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	assert.NoError(t, err, "promtool %v: %s", args, out.String())
}

const examples = "../../docs/monitoring/"

func TestPromtoolIsContent(t *testing.T) {
	t.Parallel()
	promtool(t, shown(t), "check", "metrics")
	promtool(t, "", "check", "rules", examples+"alerts.yml")
	promtool(t, "", "test", "rules", examples+"alerts_test.yml")
}

var ours = regexp.MustCompile(`\b(autobuilder_[a-z_]+|process_[a-z_]+)\b`)

func TestTheExamplesNameMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	text := shown(t)
	used := map[string]bool{}
	for _, file := range []string{"alerts.yml", "dashboard.json"} {
		example, err := os.ReadFile(examples + file)
		require.NoError(t, err)
		for _, name := range ours.FindAllString(string(example), -1) {
			used[name] = true
		}
	}
	assert.Greater(t, len(used), 10)
	for name := range used {
		assert.Regexp(t, `(?m)^`+name+`[{ ]`, text)
	}
}

func TestEveryQueryOfTheDashboardIsOne(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	text, err := os.ReadFile(examples + "dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &dashboard))
	rules := "groups:\n- name: dashboard\n  rules:\n"
	n := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expression, err := json.Marshal(strings.ReplaceAll(target.Expr, "$project", ".*"))
			require.NoError(t, err)
			n++
			rules += "  - record: panel:" + strings.Repeat("x", n) + "\n    expr: " + string(expression) + "\n"
		}
	}
	require.Greater(t, n, 10)
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	require.NoError(t, os.WriteFile(file, []byte(rules), 0o600))
	promtool(t, "", "check", "rules", file)
}
