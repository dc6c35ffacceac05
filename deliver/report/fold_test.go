package report_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/report"
	"deliver/rollout"
)

// What is folded can be given to --only as it stands.
func TestWhatIsFoldedIsARangeOfHosts(t *testing.T) {
	t.Parallel()
	const names = "db1 h01 h02 h03 h07 web-1.example.com web-2.example.com web-3.example.com"
	hosts, err := inventory.ParseHosts(folded(strings.Fields(names)...))
	require.NoError(t, err)
	assert.Equal(t, names, inventory.Join(hosts))
}

// folded is how the last lines name hosts.
func folded(hosts ...string) string {
	out := &paper{}
	r := report.New(report.Options{Out: out})
	r.Finish(outcome(rollout.Failed, nil, each(rollout.HostUntouched, hosts...)...))
	_, text, _ := strings.Cut(out.String(), "\n[")
	text, _, _ = strings.Cut(text, "] untouched")
	return text
}

func TestFold(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // names → folded
		"h1":                               "h1",
		"h1 h2":                            "h1,h2",
		"h3 h1 h2":                         "h[1-3]",
		"h1 h2 h4":                         "h[1,2,4]",
		"h9 h10 h11 h12 h20":               "h[9-12,20]",
		"h1 h1 h1":                         "h1",
		"web db":                           "db,web",
		"web1 web2 web3 db1":               "db1,web[1-3]",
		"h01 h02 h03":                      "h[01-03]",
		"h08 h09 h10 h11":                  "h[08-11]",
		"h09 h10 h11 h100":                 "h09,h[10,11,100]",
		"h9 h10 h11":                       "h[9-11]",
		"h10 h11 h100":                     "h[10,11,100]",
		"h8 h08 h9 h09 h10":                "h[8-10],h08,h09",
		"h1.example.com h2.example.com":    "h[1,2].example.com",
		"a1.dc1.net a1.dc2.net a1.dc3.net": "a1.dc[1-3].net",
		"10.0.0.1 10.0.0.2 10.0.0.3":       "10.0.0.[1-3]",
		"10.0.1.7 10.0.2.7 10.0.3.7":       "10.0.[1-3].7",
		"99999999999999999999999 x":        "99999999999999999999999,x",
		"1 2 3":                            "[1-3]",
	}
	for names, want := range tests {
		assert.Equal(t, want, folded(strings.Fields(names)...), names)
	}
}

// unfold is the opposite of folding.
func unfold(text string) (names []string) {
	for _, part := range split(text) {
		before, rest, ranged := strings.Cut(part, "[")
		if !ranged {
			names = append(names, part)
			continue
		}
		numbers, after, _ := strings.Cut(rest, "]")
		for r := range strings.SplitSeq(numbers, ",") {
			from, to, isRange := strings.Cut(r, "-")
			if !isRange {
				to = from
			}
			first, _ := strconv.Atoi(from)
			last, _ := strconv.Atoi(to)
			for n := first; n <= last; n++ {
				names = append(names, fmt.Sprintf("%s%0*d%s", before, width(from), n, after))
			}
		}
	}
	return names
}

func width(number string) int {
	if strings.HasPrefix(number, "0") {
		return len(number)
	}
	return 0
}

// split cuts at commas that are not in brackets.
func split(text string) (parts []string) {
	depth, from := 0, 0
	for i, c := range text {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

func FuzzFold(f *testing.F) {
	for _, seed := range []string{"h1 h2 h3", "a01 a2 a03", "x", "1 2 10", "a1b2 a1b3 a2b3", "h0 h00 h000", "10.0.0.1 10.0.1.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hosts := strings.FieldsFunc(text, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.", r) // names as hosts have them
		})
		if len(hosts) == 0 {
			return
		}
		got := unfold(folded(hosts...))
		slices.Sort(got)
		slices.Sort(hosts)
		assert.Equal(t, slices.Compact(hosts), got, "each host once")
	})
}

func FuzzShownText(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[31mred", "a\rb\r\nc", "\x1b]0;t\x07", "\x1b", "\x1b[", "\x1b]", "\x1b(", "\xff\xfe", "\u202e", "日本語"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := &paper{}
		r := report.New(report.Options{Out: out, App: text})
		play(r).start("h1").enter("s"+text, "h1").message("h1", text, "").message("", "x", text)
		r.Finish(outcome(rollout.Failed, hinted{text, text}))
		for _, c := range out.String() {
			assert.True(t, c == '\n' || c == '\t' || c >= ' ' && c != 0x7f && (c < 0x80 || c > 0x9f), "%q in %q", c, out.String())
		}
	})
}
