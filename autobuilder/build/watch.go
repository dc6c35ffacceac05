package build

import "time"

// Watch says how a release is judged once it is out: by a query that is asked for
// a while.
type Watch struct {
	For        time.Duration `yaml:"for"`        // 0: nothing is watched
	Every      time.Duration `yaml:"every"`      // default: 15s
	Prometheus string        `yaml:"prometheus"` // address of one, or of a Graphite
	Graphite   string        `yaml:"graphite"`
	Query      string        `yaml:"query"`    // of Prometheus: written as an alert's, it gives something when the release is bad
	Above      *float64      `yaml:"above"`    // of Graphite: the release is bad when the newest value is higher
	Failures   int           `yaml:"failures"` // so many bad answers in a row take it back; default: 3
}

const (
	watchEvery    = 15 * time.Second
	watchFailures = 3
)

func (w *Watch) defaults() {
	if w.For == 0 {
		return
	}
	if w.Every == 0 {
		w.Every = watchEvery
	}
	if w.Failures == 0 {
		w.Failures = watchFailures
	}
}

func (w *Watch) validate() error {
	used := w.Every != 0 || w.Prometheus != "" || w.Graphite != "" || w.Query != "" || w.Above != nil || w.Failures != 0
	switch {
	case w.For == 0 && used:
		return check("watch", false, "for is missing: how long a release is watched, for example 10m")
	case w.For == 0:
		return nil
	case w.For < 0 || w.Every <= 0 || w.Every > w.For:
		return check("watch", false, "every %s must be more than nothing and fit into for %s", w.Every, w.For)
	case w.Failures < 1 || time.Duration(w.Failures)*w.Every > w.For:
		return check("watch", false, "failures %d must be 1 or more, and come together within for %s", w.Failures, w.For)
	case (w.Prometheus == "") == (w.Graphite == ""):
		return check("watch", false, "needs prometheus or graphite, one of them")
	case !webAddress(w.Prometheus + w.Graphite):
		return check("watch", false, "%q is no http(s) address", w.Prometheus+w.Graphite)
	case w.Query == "":
		return check("watch", false, "query is missing")
	case (w.Graphite != "") != (w.Above != nil):
		return check("watch", false, "above goes with graphite, and is needed there")
	}
	return nil
}

// Watching is a release that is watched.
type Watching struct {
	Build   string    `json:"build"`
	Project string    `json:"project"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Asked   time.Time `json:"asked,omitzero"` // the last time
	Answers int       `json:"answers"`        // so many were given
	Bad     int       `json:"bad"`            // of them in a row, the last ones
}
