package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

const (
	floodRate = 10_000 // lines a second
	floodTime = 15 * time.Second
	floodTick = 20 * time.Millisecond
	watchers  = 200
)

// flood is a build that writes as fast as that, each line with its time, and says
// how long it took.
func flood() {
	out := bufio.NewWriter(os.Stdout)
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	began, written := time.Now(), 0
	for written < floodRate*int(floodTime/time.Second) {
		due := int(time.Since(began) * floodRate / time.Second)
		for ; written < due; written++ {
			fmt.Fprintf(out, "%d line %d of a build that has much to say\n", time.Now().UnixMicro(), written)
		}
		if out.Flush() != nil {
			return // nobody reads it any more
		}
		<-tick.C
	}
	fmt.Fprintf(out, "flooded for %d ms\n", time.Since(began).Milliseconds())
	out.Flush()
}

// watcher is a browser on the console of a build.
type watcher struct {
	latency []time.Duration // of the last line of each event
	lines   int
	skipped int
	bytes   int
	ended   bool
}

var written = regexp.MustCompile(`</a>(\d{16}) line`)

func (w *watcher) watch(t testing.TB, url string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	in := bufio.NewReaderSize(answer.Body, 128<<10)
	event, last := "", []byte(nil)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		w.bytes += len(line)
		switch name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(": ")); {
		case string(name) == "event":
			event = string(value)
		case string(name) == "data" && event == "lines":
			w.lines++
			last = append(last[:0], value...)
		case string(name) == "data" && event == "skip":
			n, _ := strconv.Atoi(string(value))
			w.skipped += n
		case len(name) == 0:
			w.came(event, last)
			event, last = "", last[:0]
		}
	}
}

func (w *watcher) came(event string, last []byte) {
	w.ended = w.ended || event == "end"
	if m := written.FindSubmatch(last); m != nil {
		at, _ := strconv.ParseInt(string(m[1]), 10, 64)
		w.latency = append(w.latency, time.Since(time.UnixMicro(at)))
	}
}

// memory is what the kernel says of the server's, in MB.
func (v *server) memory(b *testing.B, of string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	require.NoError(b, err)
	m := regexp.MustCompile(of + `:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(b, m)
	kb, err := strconv.Atoi(string(m[1]))
	require.NoError(b, err)
	return float64(kb) / 1024
}

// processor is the time that the server has used.
func (v *server) processor(b *testing.B) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", v.cmd.Process.Pid))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')'):]))
	user, _ := strconv.Atoi(fields[12])
	system, _ := strconv.Atoi(fields[13])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkWatching: how soon a line is in the browsers that watch a fast build,
// what they cost, and whether they slow it.
func BenchmarkWatching(b *testing.B) {
	for _, browsers := range []int{0, 1, watchers} {
		b.Run(fmt.Sprint(browsers), func(b *testing.B) {
			for b.Loop() {
				watchFlood(b, browsers)
			}
		})
	}
}

func watchFlood(b *testing.B, browsers int) {
	s := &stage{t: b, dir: b.TempDir()}
	s.repo = filepath.Join(s.dir, "shop")
	s.git("init", "--quiet", "--initial-branch=master", s.repo)
	s.write("templates/echo.xml.tmpl", strings.Replace(template, `echo "built`, `flood; echo "built`, 1))
	s.configure(anyPorts)
	v := s.serve()
	s.commit("one")
	idle := v.memory(b, "VmRSS")
	v.tell("d1", "refs/heads/master")
	id := s.reaches(0, build.Running).ID
	all := make([]*watcher, browsers)
	before := v.processor(b)
	var parts sync.WaitGroup
	for i := range all {
		all[i] = &watcher{}
		parts.Go(func() { all[i].watch(b, v.url+"/builds/"+id+"/console/events") })
	}
	s.reaches(0, build.Succeeded)
	parts.Wait()
	used, most := v.processor(b)-before, v.memory(b, "VmHWM")-idle
	_, console := v.get("/builds/" + id + "/console")
	m := regexp.MustCompile(`flooded for (\d+) ms`).FindStringSubmatch(console)
	require.NotNil(b, m, "the build came to its end")
	took, err := strconv.Atoi(m[1])
	require.NoError(b, err)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took)/1000, "s-build")
	b.ReportMetric(most, "MB-more-at-most")
	b.ReportMetric(used.Seconds(), "s-processor")
	report(b, all)
}

func report(b *testing.B, all []*watcher) {
	if len(all) == 0 {
		return
	}
	var latency []time.Duration
	var lines, skipped, sent int
	for _, w := range all {
		require.True(b, w.ended, "each hears that the build is over")
		latency = append(latency, w.latency...)
		lines, skipped, sent = lines+w.lines, skipped+w.skipped, sent+w.bytes
	}
	slices.Sort(latency)
	at := func(share int) float64 { return float64(latency[len(latency)*share/100].Milliseconds()) }
	b.ReportMetric(at(50), "ms-p50")
	b.ReportMetric(at(99), "ms-p99")
	b.ReportMetric(float64(lines/len(all)), "lines-shown")
	b.ReportMetric(float64(skipped/len(all)), "lines-skipped")
	b.ReportMetric(float64(sent)/float64(len(all))/floodTime.Seconds()/1024, "kB/s-each")
}
