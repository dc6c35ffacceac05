package console_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/console"
)

// source is a console that grows.
type source struct {
	mu    sync.Mutex
	text  []byte
	over  bool
	err   error
	reads int
	piece int // most bytes at once; 0: all
}

func (s *source) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, text...)
}

func (s *source) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
}

func (s *source) read(_ context.Context, _ string, offset int64) (console.Piece, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.err != nil {
		return console.Piece{Next: offset, Over: s.over}, s.err
	}
	next := int64(len(s.text))
	if s.piece > 0 {
		next = min(next, offset+int64(s.piece))
	}
	return console.Piece{Text: append([]byte(nil), s.text[offset:next]...), Next: next, Over: s.over}, nil
}

func view(t *testing.T, text string, around int) *console.View {
	t.Helper()
	v, err := console.Read(t.Context(), (&source{text: []byte(text), over: true}).read, "b1", around)
	require.NoError(t, err)
	return v
}

var tags = regexp.MustCompile(`<i[^>]*><a[^>]*></a>(.*)</i>`)

// shown is the HTML of a console's lines without the frame of each.
func shown(v *console.View) []string {
	var all []string
	for _, line := range strings.Split(string(v.HTML()), "\n") {
		if m := tags.FindStringSubmatch(line); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

func TestWhatALineLooksLike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"plain", "make it <so> & \"so\"", "make it &lt;so&gt; &amp; &#34;so&#34;"},
		{"a colour", "\x1b[31mred\x1b[0m plain", `<b class="c1">red</b> plain`},
		{"bold and bright on a ground", "\x1b[1;92;44mok", `<b class="em c10 g4">ok</b>`},
		{"no parameter is a reset", "\x1b[31mred\x1b[mplain", `<b class="c1">red</b>plain`},
		{"one of 256", "\x1b[38;5;196mred", `<b class="c9">red</b>`},
		{"a grey of 256", "\x1b[38;5;240mgrey", `<b class="c8">grey</b>`},
		{"one of all", "\x1b[38;2;20;200;40mgreen", `<b class="c2">green</b>`},
		{"with colons", "\x1b[38:5:4mblue", `<b class="c4">blue</b>`},
		{"turned round", "\x1b[7;33mx\x1b[27my", `<b class="inv g3">x</b><b class="c3">y</b>`},
		{"switched off again", "\x1b[1;2;3;4mx\x1b[22;23;24my", `<b class="em dim it ul">x</b>y`},
		{"the cursor moves", "a\x1b[2K\x1b[1Gb", "ab"},
		{"a link", "\x1b]8;;https://evil.test/\x1b\\here\x1b]8;;\x1b\\", "here"},
		{"a title", "\x1b]0;title\aafter", "after"},
		{"written over", "10 %\r50 %\r100 %", "100 %"},
		{"an end of two", "a\r", "a"},
		{"cut short", "a\x1b[3", "a"},
		{"a lone escape", "a\x1b", "a"},
		{"a bell", "a\a\bb", "ab"},
		{"no UTF-8", "a\xffb", "a\uFFFDb"},
		{"an empty one", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, []string{c.want}, shown(view(t, c.text+"\n", 0)))
		})
	}
}

func TestAColourHoldsOnTheNextLine(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{`<b class="c1">one</b>`, `<b class="c1">two</b>`, "three"}, shown(view(t, "\x1b[31mone\ntwo\n\x1b[0mthree", 0)))
}

func TestTheStepsOfAJob(t *testing.T) {
	t.Parallel()
	v := view(t, "AUTOBUILDER_ID=b1\n===== 23:59:58.500 checkout\nx\n===== 00:00:01.250 1 setup\n===== nonsense\n===== 00:00:04.000 2 commit-deps\n", 0)
	require.Len(t, v.Steps, 3)
	assert.Equal(t, 2, v.Steps[0].Line)
	times := console.Times(v.Steps, 10*time.Second)
	assert.Equal(t, []string{"checkout 2.75s false", "1 setup 2.75s false", "2 commit-deps 4.5s false"}, words(times), "over midnight, and to the end of the build")
	assert.Equal(t, "2 commit-deps 0s true", words(console.Times(v.Steps, 0))[2], "it runs")
	done := view(t, "===== 10:00:00.000 6 git gc\n===== 10:00:02.000 done\n", 0)
	assert.Equal(t, []string{"6 git gc 2s false"}, words(console.Times(done.Steps, time.Hour)))
	assert.Empty(t, console.Times(nil, time.Hour))
}

func words(times []console.Took) []string {
	var all []string
	for _, t := range times {
		all = append(all, fmt.Sprintf("%s %s %t", t.Name, t.Took, t.Open))
	}
	return all
}

func TestAPageHasTheEndOrWhatStandsAroundALine(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for n := range 5000 {
		fmt.Fprintf(&text, "line %d of the build\n", n+1)
	}
	end := view(t, text.String(), 0)
	assert.Equal(t, 5000, end.Last)
	assert.True(t, end.Before())
	assert.False(t, end.After())
	for _, around := range []int{1, 80, 2500, 4999, 5000, 9000} {
		v := view(t, text.String(), around)
		asked := min(around, 5000)
		assert.LessOrEqual(t, v.First, asked, around)
		assert.GreaterOrEqual(t, v.Last, asked, around)
		assert.Less(t, len(v.HTML()), 64<<10)
		assert.Contains(t, string(v.HTML()), fmt.Sprintf(`id="L%d"`, asked))
		assert.Equal(t, 5000, v.Total)
	}
	long := view(t, strings.Repeat("x", 1<<20)+"\nend", 0)
	assert.Less(t, len(long.HTML()), 64<<10, "also of one line")
	assert.Contains(t, string(long.HTML()), "end")
}

// FuzzConsole: whatever a build writes, and in whatever pieces, what comes is
// text in the few elements that we make, and the same.
func FuzzConsole(f *testing.F) {
	for _, seed := range []string{"a\n", "\x1b[31m<b>\x1b[0m", "\x1b]8;;x\x1b\\y", "\x1b[38;5;", "\x1b[38;2;1;2;3m\x1b[48;5;300mx", "a\rb\r\n", "===== 10:00:00.000 <x>\n", "\xff\xfe"} {
		f.Add(seed, 3)
	}
	ours := regexp.MustCompile(`</?(i|a|b)( (class|id|href|data-n|tabindex)="[#a-zA-Z0-9 -]*")*>`)
	f.Fuzz(func(t *testing.T, text string, piece int) {
		text = text[:min(len(text), 4<<10)]
		whole, err := console.Read(t.Context(), (&source{text: []byte(text), over: true}).read, "b1", 0)
		require.NoError(t, err)
		rest := ours.ReplaceAllString(string(whole.HTML()), "")
		assert.NotContains(t, rest, "<")
		assert.NotContains(t, html.UnescapeString(rest), "\x1b")
		cut, err := console.Read(t.Context(), (&source{text: []byte(text), over: true, piece: 1 + piece&63}).read, "b1", 0)
		require.NoError(t, err)
		assert.Equal(t, whole.HTML(), cut.HTML())
		console.Times(whole.Steps, time.Minute)
	})
}

func TestAConsoleThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := console.Read(t.Context(), (&source{err: errors.New("jenkins is down")}).read, "b1", 0)
	require.ErrorContains(t, err, "read console: jenkins is down")
}
