package soak

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The exit codes of deliver that matter here.
const (
	delivered  = 0
	rolledBack = 5
)

// No request fails while releases go out, good ones and bad ones. SOAK_SERVERS
// and SOAK_DEPLOYS say how many; a delivery is over when SOAK_REQUESTS were
// answered, too.
func TestNoRequestFails(t *testing.T) {
	servers, deploys, requests := number(t, "SOAK_SERVERS", 3), number(t, "SOAK_DEPLOYS", 3), number(t, "SOAK_REQUESTS", 2000)
	l := newLab(t)
	l.up(servers)
	require.Equal(t, delivered, l.deliver("v0", ""))
	load := startLoad(l.front)
	t.Cleanup(func() { load.stop() })
	var all []delivery
	for n := 1; n <= deploys; n++ {
		d := l.deliverUnder(load, fmt.Sprintf("v%d", n), misbehaviour(n, deploys), int64(requests))
		t.Log(d)
		all = append(all, d)
	}
	failures := load.stop()
	t.Log("\n" + table(servers, all))
	if !assert.Zero(t, load.failed.Load()) {
		t.Log(strings.Join(failures, "\n") + "\n" + l.haproxyLog())
	}
	for _, d := range all {
		want := delivered
		if d.bad != "" {
			want = rolledBack
		}
		assert.Equal(t, want, d.code, d.release)
	}
}

// misbehaviour is what release n of so many does, empty when it is well; three
// are bad, spread over the run: one answers 500, one ends at once, one hangs.
func misbehaviour(n, deploys int) string {
	bad := []string{"-status 500", "-exit 1", "-hang"}
	for i, b := range bad {
		if n == max(2, (i+1)*deploys/(len(bad)+1)) {
			return b
		}
	}
	return ""
}

// delivery is what one delivery was like.
type delivery struct {
	release, bad     string
	code             int
	took             time.Duration
	during, requests int64 // while deliver ran; until the next delivery
	failed           int64
}

// String is a line of the log.
func (d delivery) String() string {
	return fmt.Sprintf("%s %s: exit code %d after %s; %d requests meanwhile, %d in all, %d failed",
		d.release, d.bad, d.code, d.took.Round(100*time.Millisecond), d.during, d.requests, d.failed)
}

func (l *lab) deliverUnder(load *load, release, bad string, requests int64) delivery {
	start, began, failed := time.Now(), load.answered.Load(), load.failed.Load()
	d := delivery{release: release, bad: bad}
	d.code = l.deliver(release, bad)
	d.took, d.during = time.Since(start), load.answered.Load()-began
	require.Eventually(l.t, func() bool { return load.answered.Load()-began >= requests }, 10*time.Minute, 50*time.Millisecond)
	d.requests, d.failed = load.answered.Load()-began, load.failed.Load()-failed
	return d
}

// table is the deliveries, good and bad ones together.
func table(servers int, all []delivery) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 8, 1, ' ', 0)
	fmt.Fprintln(w, "| deliveries\t| number\t| exit code\t| s each\t| requests meanwhile, each\t| requests in all\t| failed\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, bad := range []bool{false, true} {
		var sum delivery
		var took []float64
		code, n, least := 0, 0, int64(0)
		for _, d := range all {
			if (d.bad != "") != bad {
				continue
			}
			n++
			code = d.code
			took = append(took, d.took.Seconds())
			sum.requests, sum.failed = sum.requests+d.requests, sum.failed+d.failed
			if least == 0 || d.during < least {
				least = d.during
			}
		}
		name := map[bool]string{false: "good", true: "bad, rolled back"}[bad]
		if n > 0 {
			fmt.Fprintf(w, "| %s\t| %d\t| %d\t| %.1f to %.1f\t| at least %d\t| %d\t| %d\t|\n",
				name, n, code, slices.Min(took), slices.Max(took), least, sum.requests, sum.failed)
		}
	}
	_ = w.Flush()
	fmt.Fprintf(&out, "%d servers\n", servers)
	return out.String()
}

func number(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}
