// Package metrics shows Prometheus what autobuilder knows. It alone knows
// Prometheus' library.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"autobuilder/build"
)

// Ledger is what is counted: all of it outlives the process, and so do the
// counters.
type Ledger interface {
	Totals(ctx context.Context) ([]build.Total, error)
	Traffic(ctx context.Context) (build.Traffic, error)
	Backlogs(ctx context.Context) ([]build.Backlog, error)
	OpenHolds(ctx context.Context) ([]build.Hold, error)
	Locks(ctx context.Context) ([]build.Lock, error)
}

// Options are what is shown.
type Options struct {
	Ledger Ledger
	Live   func(ctx context.Context) ([]build.Live, error) // what runs, per project
	Log    *slog.Logger
}

// New makes the handler of /metrics.
func New(o Options) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &collector{o})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: errorLog{o.Log}, ErrorHandling: promhttp.HTTPErrorOnError})
}

type errorLog struct{ log *slog.Logger }

// Println is how Prometheus' library tells of what went wrong.
func (l errorLog) Println(v ...any) { l.log.Warn("metrics not shown", "error", fmt.Sprint(v...)) }

// collector asks the ledger when it is asked.
type collector struct{ Options }

// scrapeTime bounds one look.
const scrapeTime = 10 * time.Second

// metric describes one metric.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("autobuilder_"+name, help, labels, nil)
}

// The metrics. They are values, and not state.
func descriptions() map[string]*prometheus.Desc {
	return map[string]*prometheus.Desc{
		"builds":     metric("builds_total", "Builds that are over, by how they ended.", "project", "state"),
		"open":       metric("builds_open", "Builds that are not over.", "project", "state"),
		"duration":   metric("build_duration_seconds", "Time that builds took in Jenkins.", "project", "state"),
		"last":       metric("build_last_timestamp_seconds", "Time at which the last build ended so.", "project", "state"),
		"live":       metric("live_info", "What runs on the servers.", "project", "environment", "version", "commit"),
		"since":      metric("live_since_timestamp_seconds", "Time since which it runs there.", "project", "environment"),
		"holds":      metric("holds", "Releases that wait for people.", "project", "state"),
		"locked":     metric("locked_info", "Projects whose builds wait for a lock.", "project", "by"),
		"deliveries": metric("deliveries_total", "Deliveries that were kept."),
		"pending":    metric("deliveries_pending", "Deliveries that are not decided yet."),
		"waiting":    metric("deliveries_pending_oldest_seconds", "Age of the oldest delivery that is not decided."),
		"outbox":     metric("outbox_messages", "Messages that a notifier has not taken yet.", "notifier"),
		"delay":      metric("outbox_oldest_seconds", "Age of the oldest message that a notifier has not taken.", "notifier"),
	}
}

// Describe names all metrics.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range descriptions() {
		out <- d
	}
}

// Collect counts.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	s := scrape{collector: c, of: descriptions(), out: out}
	for _, part := range []func(context.Context) error{s.builds, s.live, s.people, s.deliveries, s.outbox} {
		if err := part(ctx); err != nil {
			out <- prometheus.NewInvalidMetric(s.of["builds"], err)
			return
		}
	}
}

// scrape is one look.
type scrape struct {
	*collector
	of  map[string]*prometheus.Desc
	out chan<- prometheus.Metric
}

func (s scrape) gauge(name string, value float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.of[name], prometheus.GaugeValue, value, labels...)
}

func (s scrape) counter(name string, value float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.of[name], prometheus.CounterValue, value, labels...)
}

func (s scrape) builds(ctx context.Context) error {
	totals, err := s.Ledger.Totals(ctx)
	for _, t := range totals {
		state := string(t.State)
		if !t.State.Final() {
			s.gauge("open", float64(t.Builds), t.Project, state)
			continue
		}
		s.counter("builds", float64(t.Builds), t.Project, state)
		s.out <- prometheus.MustNewConstSummary(s.of["duration"], uint64(t.Builds), t.Seconds, nil, t.Project, state) //nolint:gosec // a count
		if !t.Last.IsZero() {
			s.gauge("last", seconds(t.Last), t.Project, state)
		}
	}
	return err
}

func (s scrape) live(ctx context.Context) error {
	all, err := s.Live(ctx)
	for _, l := range all {
		if l.Commit != "" {
			s.gauge("live", 1, l.Project, l.Environment, l.Version, l.Commit)
			s.gauge("since", seconds(l.Since), l.Project, l.Environment)
		}
	}
	return err
}

func (s scrape) people(ctx context.Context) error {
	holds, err := s.Ledger.OpenHolds(ctx)
	if err != nil {
		return err
	}
	count := map[[2]string]float64{}
	for _, h := range holds {
		count[[2]string{h.Project, string(h.State)}]++
	}
	for of, n := range count {
		s.gauge("holds", n, of[0], of[1])
	}
	locks, err := s.Ledger.Locks(ctx)
	for _, l := range locks {
		s.gauge("locked", 1, l.Project, l.By)
	}
	return err
}

func (s scrape) deliveries(ctx context.Context) error {
	t, err := s.Ledger.Traffic(ctx)
	if err != nil {
		return err
	}
	s.counter("deliveries", float64(t.Deliveries))
	s.gauge("pending", float64(t.Pending))
	s.gauge("waiting", age(t.Oldest))
	return nil
}

func (s scrape) outbox(ctx context.Context) error {
	backlogs, err := s.Ledger.Backlogs(ctx)
	for _, b := range backlogs {
		s.gauge("outbox", float64(b.Letters), b.Notifier)
		s.gauge("delay", age(b.Oldest), b.Notifier)
	}
	return err
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// age is 0 where there is nothing.
func age(since time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, time.Since(since).Seconds())
}
