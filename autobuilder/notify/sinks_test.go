package notify_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/notify"
)

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func TestAWebhookIsSigned(t *testing.T) {
	t.Parallel()
	place := newEndpoint(t)
	place.answer = func(n int) (int, http.Header) {
		if n == 1 {
			return http.StatusBadGateway, nil
		}
		return http.StatusNoContent, nil
	}
	s := newStage(t, map[string]notify.Sink{"webhook ops": notify.Webhook{URL: place.URL + "/in", Secret: []byte("k")}})
	s.live()
	s.run()
	s.add("b1", newCommit)
	s.told()
	got := place.requests()
	require.Len(t, got, 2)
	assert.Equal(t, got[0].header.Get("X-Autobuilder-Delivery"), got[1].header.Get("X-Autobuilder-Delivery"),
		"by it the other side knows what it has already")
	assert.Equal(t, got[0].body, got[1].body)
	mac := hmac.New(sha256.New, []byte("k"))
	mac.Write(got[1].body)
	assert.Equal(t, "sha256="+hex.EncodeToString(mac.Sum(nil)), got[1].header.Get("X-Autobuilder-Signature-256"))
	assert.Equal(t, "queued", got[1].header.Get("X-Autobuilder-Event"))
	assert.Equal(t, "application/json", got[1].header.Get("Content-Type"))
	assert.Equal(t, "/in", got[1].path)
	var body map[string]any
	require.NoError(t, json.Unmarshal(got[1].body, &body))
	assert.Equal(t, "shop v1.2.0 waits to be built, pushed by ada", body["text"])
	assert.Equal(t, "production", body["environment"])
	assert.Equal(t, "b1", body["build"].(map[string]any)["id"])
	assert.Equal(t, "v1.1.0", body["before"].(map[string]any)["version"])
	assert.InEpsilon(t, 2, body["more_changes"], 0.001)
}

func TestAWebhookMayWantSomeEventsOnly(t *testing.T) {
	t.Parallel()
	place := newEndpoint(t)
	s := newStage(t, map[string]notify.Sink{
		"webhook ops": notify.Webhook{URL: place.URL, Events: []build.EventKind{build.EventSuperseded}},
	})
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Superseded, "")
	s.told()
	require.Len(t, place.requests(), 1)
	assert.Equal(t, "superseded", place.requests()[0].header.Get("X-Autobuilder-Event"))
}

// What is written of a place that is down is shown to people.
func TestWhyAPlaceIsDownTellsNoSecret(t *testing.T) {
	t.Parallel()
	nobody := labtest.Free(t, 1)[0]
	place := newEndpoint(t)
	place.answer = func(int) (int, http.Header) { return http.StatusTeapot, http.Header{} }
	s := newStage(t, map[string]notify.Sink{
		"webhook gone": notify.Webhook{URL: "http://" + nobody + "/hooks/T0KEN?key=T0KEN", Secret: []byte("k")},
		"room":         &list{fail: func(notify.Message) error { return errors.New("the token hunter2-hunter2 is old") }},
		"graphite":     notify.Graphite{URL: place.URL + "/T0KEN"},
	})
	s.options.Write.Secrets = []string{"hunter2-hunter2"}
	s.run()
	s.add("b1", newCommit)
	said := map[string]build.Backlog{}
	require.Eventually(t, func() bool {
		backlogs, err := s.book.Backlogs(t.Context())
		for _, b := range backlogs {
			if b.Error != "" {
				said[b.Notifier] = b
			}
		}
		return err == nil && len(said) == 3
	}, patient, tick)
	assert.Contains(t, said["webhook gone"].Error, "reach "+nobody+": dial tcp")
	assert.Equal(t, "the token [secret] is old", said["room"].Error)
	assert.Contains(t, said["graphite"].Error, "refused: 418 I'm a teapot")
	for name, b := range said {
		assert.NotContains(t, b.Error, "T0KEN", name)
		assert.Positive(t, b.Tries, name)
		assert.False(t, b.Next.IsZero(), name)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	place := newEndpoint(t)
	place.answer = func(n int) (int, http.Header) {
		if n == 1 {
			return http.StatusFound, http.Header{"Location": {"/elsewhere"}}
		}
		return http.StatusOK, nil
	}
	s := newStage(t, map[string]notify.Sink{"webhook ops": notify.Webhook{URL: place.URL}})
	s.run()
	s.add("b1", newCommit)
	s.told()
	require.Len(t, place.requests(), 2)
	assert.Equal(t, "/", place.requests()[1].path, "a POST would have become a GET, and its body lost")
	assert.NotEmpty(t, place.requests()[1].body)
}

func TestPagerDutyHasOneIncidentOfAProject(t *testing.T) {
	t.Parallel()
	tries := 0
	place := labtest.StartPagerDuty(t, func(before int, w http.ResponseWriter) bool {
		if tries = before + 1; tries > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	s := newStage(t, map[string]notify.Sink{"pagerduty": notify.PagerDuty{URL: place.URL, Key: routingKey}})
	s.live()
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Running, "")
	s.move("b1", build.Failed, "the tests are red")
	s.add("b2", newCommit, func(b *build.Build) { b.Attempt = 2 })
	s.move("b2", build.Running, "")
	s.move("b2", build.Succeeded, "")
	s.tries("b3", build.Succeeded)
	s.tries("b4", build.Failed)
	s.told()
	got := place.Events()
	require.Len(t, got, 2, "a page for what failed, and for what mended it")
	assert.Equal(t, 3, tries, "it was too busy at first")
	trigger, resolve := got[0], got[1]
	assert.Equal(t, "trigger", trigger.Action)
	assert.Equal(t, routingKey, trigger.RoutingKey)
	assert.Equal(t, "autobuilder/shop/production", trigger.DedupKey)
	assert.Equal(t, "https://ci.test/builds/b1", trigger.ClientURL)
	assert.Equal(t, "shop v1.2.0 failed in 1 setup after 2m0s, pushed by ada", trigger.Payload.Summary)
	assert.Equal(t, "error", trigger.Payload.Severity)
	assert.Contains(t, trigger.Payload.Details["details"], "npm: not found")
	assert.Equal(t, "resolve", resolve.Action)
	assert.Equal(t, trigger.DedupKey, resolve.DedupKey)
}

const routingKey = "0123456789abcdef0123456789abcdef"

// tries takes a release to some servers only.
func (s *stage) tries(id string, end build.State) {
	s.t.Helper()
	s.add(id, newCommit, func(b *build.Build) { b.Only, b.Attempt = "h1", int(id[1]) })
	s.move(id, build.Running, "")
	s.move(id, end, "")
}

func TestStatsDCountsAndTimes(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	s := newStage(t, map[string]notify.Sink{"statsd": notify.StatsD{Address: conn.LocalAddr().String(), Prefix: "deploys"}})
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Running, "")
	s.move("b1", build.Succeeded, "")
	var got []string
	packet := make([]byte, 1500)
	for range 3 {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
		n, _, err := conn.ReadFrom(packet)
		require.NoError(t, err)
		got = append(got, string(packet[:n]))
	}
	assert.Equal(t, []string{
		"deploys.shop.queued:1|c", "deploys.shop.running:1|c", "deploys.shop.succeeded:1|c\ndeploys.shop.succeeded.time:120000|ms",
	}, got)
}

// TestNoSinkTellsASecret puts secrets into everything that a message is made of.
func TestNoSinkTellsASecret(t *testing.T) {
	t.Parallel()
	secrets := []string{"hunter2-hunter2", "hunter2-hunter2-and-more", "-----BEGIN KEY-----\nMIIsentinelline1\nMIIsentinelline2\n", "p@ss/w rd+sentinel"}
	leaks := []string{"hunter2", "MIIsentinel", "p@ss/w rd", "sentinel"}
	web := newEndpoint(t)
	hub := newHub(t)
	wires := &labtest.Log{}
	tcp, udp := lines(t, wires), packets(t, wires)
	s := newStage(t, map[string]notify.Sink{
		"webhook": notify.Webhook{URL: web.URL, Secret: []byte("k")}, "pagerduty": notify.PagerDuty{URL: web.URL, Key: "r"}, "graphite": notify.Graphite{URL: web.URL},
		"github": hub.sink(t), "carbon": notify.Carbon{Address: tcp, Prefix: "a"}, "statsd": notify.StatsD{Address: udp, Prefix: "a"},
	})
	s.live()
	all := strings.Join(append(secrets, "https://x.test/?t=p%40ss%2Fw+rd%2Bsentinel"), " ")
	log := &labtest.Log{}
	s.options.Log = textLog(log)
	s.options.Write.Secrets = secrets
	s.options.Write.Console = consoleOf("===== 12:00:01.000 1 setup " + secrets[0] + "\n" + strings.Repeat("x", 295) + secrets[1] + "\n" + all)
	s.options.Write.Changes = changesOf(build.Commit{ID: newCommit, Author: all, Subject: all})
	s.run()
	s.add("b1", newCommit, func(b *build.Build) { b.By, b.Message, b.Tag = all, all, "v"+secrets[0] })
	s.move("b1", build.Running, all)
	s.move("b1", build.Failed, all)
	require.NoError(t, s.book.Rollout(t.Context(), build.Rollout{
		Run: "r", Project: "shop", Action: "push", Release: "x", Started: noon, Ended: noon, Result: "failed", Error: all, By: all,
	}))
	s.told()
	said := wires.String() + hub.said() + log.String()
	for _, r := range web.requests() {
		said += fmt.Sprint(r.header) + string(r.body)
	}
	for _, leak := range leaks {
		i := strings.Index(said, leak)
		assert.Negative(t, i, "%q stands in …%s…", leak, said[max(0, i-200):max(0, i)])
	}
	assert.Positive(t, strings.Count(said, "[secret]"))
	assert.Contains(t, wires.String(), "a.shop.failed")
}

// lines and packets write down what comes to an address.
func lines(t *testing.T, into io.Writer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(into, bufio.NewReader(conn))
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func packets(t *testing.T, into io.Writer) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			_, _ = into.Write(packet[:n])
		}
	}()
	return conn.LocalAddr().String()
}
