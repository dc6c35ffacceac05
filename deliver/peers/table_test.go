package peers

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// setup is what peers are compared in.
type setup struct {
	far     string
	servers int
	turn    int
}

func (s setup) String() string {
	which := map[int]string{1: "First", 2: "Second"}[s.turn]
	where := ""
	if rate, ms, far := strings.Cut(s.far, " "); far {
		where = fmt.Sprintf(", %s/s and %s ms away", strings.Replace(rate, "mbit", " Mbit", 1), ms)
	}
	if s.servers == 1 {
		return fmt.Sprintf("%s delivery, 1 server%s", which, where)
	}
	return fmt.Sprintf("%s delivery, %d servers%s", which, s.servers, where)
}

// row is the medians of one peer.
type row struct {
	peer           string
	runs           int
	wall, control  time.Duration
	servers, other time.Duration
	wire, sent     int64
	memory         int64
}

// tables are the medians of all setups, as Markdown; "deliver" is what the others are
// compared with.
func tables(all []result) string {
	setups := map[setup]map[string][]result{}
	for _, r := range all {
		s := setup{r.Far, r.Servers, r.Turn}
		if setups[s] == nil {
			setups[s] = map[string][]result{}
		}
		setups[s][r.Peer] = append(setups[s][r.Peer], r)
	}
	var order []setup
	for s := range setups {
		order = append(order, s)
	}
	slices.SortFunc(order, func(a, b setup) int {
		return cmp.Or(cmp.Compare(a.turn, b.turn)*-1, cmp.Compare(a.far, b.far), cmp.Compare(a.servers, b.servers))
	})
	var out strings.Builder
	for _, s := range order {
		fmt.Fprintf(&out, "### %s\n\n%s\n", s, table(setups[s]))
	}
	return out.String()
}

func table(peers map[string][]result) string {
	rows := make([]row, 0, len(peers))
	var own row
	for peer, runs := range peers {
		r := median(peer, runs)
		rows = append(rows, r)
		if peer == "deliver" {
			own = r
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.wall, b.wall) })
	var out strings.Builder
	out.WriteString("| | runs | s | × deliver | bytes for each server | × deliver | MB that left this side | control CPU s | servers' CPU s, all | control MB | other CPU s |\n")
	out.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| %s | %d | %.2f | %s | %s | %s | %.1f | %.2f | %.2f | %d | %.1f |\n",
			bold(r.peer), r.runs, r.wall.Seconds(), ratio(float64(r.wall), float64(own.wall)),
			thousands(r.wire), ratio(float64(r.wire), float64(own.wire)),
			float64(r.sent)/1e6, r.control.Seconds(), r.servers.Seconds(), r.memory/1_000_000, r.other.Seconds())
	}
	return out.String()
}

func median(peer string, runs []result) row {
	of := func(field func(result) int64) int64 {
		values := make([]int64, len(runs))
		for i, r := range runs {
			values[i] = field(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	servers := int64(runs[0].Servers)
	return row{
		peer: peer, runs: len(runs),
		wall:    time.Duration(of(func(r result) int64 { return int64(r.Wall) })),
		control: time.Duration(of(func(r result) int64 { return int64(r.ControlCPU) })),
		servers: time.Duration(of(func(r result) int64 { return int64(r.ServersCPU) })),
		other:   time.Duration(of(func(r result) int64 { return int64(r.OtherCPU) })),
		wire:    of(func(r result) int64 { return r.Sent + r.Received + r.Fetched }) / servers,
		sent:    of(func(r result) int64 { return r.Sent }),
		memory:  of(func(r result) int64 { return r.Memory }),
	}
}

func bold(peer string) string {
	if strings.HasPrefix(peer, "deliver") {
		return "**" + peer + "**"
	}
	return peer
}

func ratio(a, b float64) string {
	if b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3g", a/b)
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

const (
	docsBegin = "<!-- peers: written by UPDATE_DOCS=1 make bench-fleet -->\n"
	docsEnd   = "<!-- peers: end -->\n"
)

// writeDocs puts the tables into the page of benchmarks.
func writeDocs(t *testing.T, tables string) {
	t.Helper()
	const page = "../../docs/benchmarks.md"
	if os.Getenv("UPDATE_DOCS") == "" {
		return
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), docsBegin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, docsEnd)
	require.True(t, found)
	require.NoError(t, os.WriteFile(page, []byte(before+docsBegin+"\n"+tables+docsEnd+after), 0o644))
}
