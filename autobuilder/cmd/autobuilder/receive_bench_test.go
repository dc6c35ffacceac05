package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// receiver is a server that takes signed deliveries.
type receiver struct {
	url string
	pid int
}

// BenchmarkReceiving: deliveries of 8 kB as fast as sixteen senders can, then 500
// a second, into autobuilder, which has each on disk before it answers, and into
// Debian's webhook with the same rule, which keeps nothing: once running
// /bin/true for each, once running nothing.
func BenchmarkReceiving(b *testing.B) {
	for _, peer := range []struct {
		name  string
		start func(*testing.B) receiver
	}{
		{"autobuilder", startOurs},
		{"webhook-running-true", func(b *testing.B) receiver { return startWebhook(b, "refs/heads/master") }},
		{"webhook-running-nothing", func(b *testing.B) receiver { return startWebhook(b, "refs/heads/none") }},
	} {
		b.Run(peer.name, func(b *testing.B) {
			r := peer.start(b)
			idle := memory(b, r.pid, "VmRSS")
			for b.Loop() {
				r.flood(b, size("BENCH_DELIVERIES", 20_000), 16)
				r.drizzle(b, 500, 10*time.Second)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(idle, "MB-idle")
			b.ReportMetric(memory(b, r.pid, "VmHWM"), "MB-most")
		})
	}
}

func startOurs(b *testing.B) receiver {
	s := &stage{t: b, dir: b.TempDir()}
	s.repo = filepath.Join(s.dir, "shop")
	s.git("init", "--quiet", "--initial-branch=master", s.repo)
	s.write("templates/echo.xml.tmpl", template)
	s.configure(anyPorts)
	s.commit("one")
	v := s.serve()
	require.Equal(b, http.StatusAccepted, v.tell("first", "refs/heads/master"))
	s.reaches(0, build.Succeeded)
	return receiver{url: v.url + webhookPath, pid: v.cmd.Process.Pid}
}

// startWebhook runs one whose command is run for pushes of the ref.
func startWebhook(b *testing.B, ref string) receiver {
	program, err := exec.LookPath("webhook")
	if err != nil {
		b.Skip("webhook is missing: apt-get install webhook")
	}
	match := func(kind string, more map[string]any) map[string]any {
		more["type"] = kind
		return map[string]any{"match": more}
	}
	hooks, err := json.Marshal([]map[string]any{{
		"id": "github", "execute-command": "/bin/true",
		"trigger-rule": map[string]any{"and": []any{
			match("payload-hmac-sha256", map[string]any{"secret": secret, "parameter": map[string]string{"source": "header", "name": "X-Hub-Signature-256"}}),
			match("value", map[string]any{"value": ref, "parameter": map[string]string{"source": "payload", "name": "ref"}}),
		}},
	}})
	require.NoError(b, err)
	file := filepath.Join(b.TempDir(), "hooks.json")
	require.NoError(b, os.WriteFile(file, hooks, 0o600))
	host, port, _ := strings.Cut(loopback(b), ":")
	cmd := exec.CommandContext(b.Context(), program, "-hooks", file, "-ip", host, "-port", port)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	require.Eventually(b, func() bool { return answers(host + ":" + port) }, patient, 5*time.Millisecond)
	return receiver{url: "http://" + host + ":" + port + "/hooks/github", pid: cmd.Process.Pid}
}

// payload8k is a push of about the size that GitHub's have.
func payload8k() []byte {
	body, _ := json.Marshal(map[string]any{
		"ref": "refs/heads/master", "after": strings.Repeat("1", 40),
		"repository":  map[string]string{"full_name": "acme/shop", "description": strings.Repeat("a shop ", 1100)},
		"head_commit": map[string]string{"id": strings.Repeat("1", 40), "message": "m"},
		"pusher":      map[string]string{"name": "ada"},
	})
	return body
}

var sequence atomic.Int64

// send brings one delivery and says how long its acknowledgement took.
func (r receiver) send(b *testing.B, client *http.Client, body []byte) time.Duration {
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		b.Error(err)
		return 0
	}
	sign(request, fmt.Sprint("bench-", sequence.Add(1)), body)
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if response.StatusCode >= 300 {
		b.Error(response.Status)
	}
	return time.Since(began)
}

func newSender() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 30 * time.Second}
}

func (r receiver) flood(b *testing.B, deliveries, senders int) {
	client, body := newSender(), payload8k()
	var left atomic.Int64
	left.Store(int64(deliveries))
	var all sync.WaitGroup
	began, used := time.Now(), r.used(b)
	for range senders {
		all.Go(func() {
			for left.Add(-1) >= 0 && !b.Failed() {
				r.send(b, client, body)
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(deliveries)/time.Since(began).Seconds(), "deliveries/s")
	b.ReportMetric(float64((r.used(b)-used).Microseconds())/float64(deliveries), "cpu-us/delivery")
}

// used is the processor time of the server and of the commands that it has run.
func (r receiver) used(b *testing.B) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.pid))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, field := range fields[11:15] { // utime, stime, and those of its children
		n, err := strconv.Atoi(field)
		require.NoError(b, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// drizzle sends at a steady rate, whether the answers keep up or not.
func (r receiver) drizzle(b *testing.B, perSecond int, d time.Duration) {
	client, body := newSender(), payload8k()
	took := make([]time.Duration, int(d.Seconds()*float64(perSecond)))
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for i := range took {
		<-tick.C
		all.Go(func() { took[i] = r.send(b, client, body) })
	}
	all.Wait()
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.5), "ms-p50")
	b.ReportMetric(at(0.99), "ms-p99")
}

var memoryLine = regexp.MustCompile(`(?m)^(VmRSS|VmHWM):\s+(\d+) kB$`)

func memory(b *testing.B, pid int, what string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(b, err)
	for _, m := range memoryLine.FindAllStringSubmatch(string(text), -1) {
		if m[1] == what {
			kB, _ := strconv.ParseFloat(m[2], 64)
			return kB / 1024
		}
	}
	return 0
}
