// Package githubtest is GitHub's API of webhook deliveries, as its documentation
// describes it, for tests: a list in pages behind cursors, the newest first, for
// those with the right token, of the last three days.
package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Token is what the server wants to see.
const Token = "a token of github's"

// Remembered is how long GitHub keeps a delivery.
const Remembered = 3 * 24 * time.Hour

// Delivery is what GitHub sent, or tried to send.
type Delivery struct {
	GUID    string
	Event   string
	At      time.Time
	Status  int // that it was answered with; 0: nobody answered
	Payload []byte
}

// GitHub is the server.
type GitHub struct {
	URL  string // of the API
	Hook string // address that its webhooks send to

	mu     sync.Mutex
	asked  map[string]int
	hooks  map[string][]Delivery // by "repos/owner/name" or "orgs/owner", oldest first
	broken bool
}

// Start runs one whose webhooks send to the address; it ends with the test.
func Start(t testing.TB, hook string) *GitHub {
	t.Helper()
	g := &GitHub{Hook: hook, asked: map[string]int{}, hooks: map[string][]Delivery{}}
	routes := http.NewServeMux()
	for _, at := range []string{"repos/{owner}/{name}", "orgs/{owner}"} {
		routes.HandleFunc("GET /"+at+"/hooks", g.on(g.list))
		routes.HandleFunc("GET /"+at+"/hooks/{hook}/deliveries", g.on(g.deliveries))
		routes.HandleFunc("GET /"+at+"/hooks/{hook}/deliveries/{id}", g.on(g.delivery))
	}
	server := httptest.NewServer(routes)
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// hookID is the number of every webhook here.
const hookID = 7

// Sent adds a delivery of the webhook at "repos/owner/name" or "orgs/owner".
// Without a delivery the webhook is only set up.
func (g *GitHub) Sent(at string, deliveries ...Delivery) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks[at] = append(g.hooks[at], deliveries...)
}

// Break lets every answer be an error, or ends that.
func (g *GitHub) Break(broken bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = broken
}

// Asked is how often something was asked: "hooks", "deliveries" or "delivery".
func (g *GitHub) Asked(what string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[what]
}

type answer func(w http.ResponseWriter, r *http.Request, sent []Delivery)

// on checks who asks, and finds what is asked for.
func (g *GitHub) on(next answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		at, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/hooks")
		sent, ok := g.hooks[at]
		switch {
		case g.broken:
			refuse(w, http.StatusBadGateway, "Server Error")
		case r.Header.Get("Authorization") != "Bearer "+Token:
			refuse(w, http.StatusUnauthorized, "Bad credentials")
		case r.PathValue("hook") != "" && (!ok || r.PathValue("hook") != strconv.Itoa(hookID)):
			refuse(w, http.StatusNotFound, "Not Found")
		default:
			if !ok {
				sent = nil
			}
			next(w, r, sent)
		}
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	write(w, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest"})
}

func write(w http.ResponseWriter, value any) {
	_ = json.NewEncoder(w).Encode(value) // who asked has gone
}

func (g *GitHub) list(w http.ResponseWriter, r *http.Request, _ []Delivery) {
	g.asked["hooks"]++
	hooks := []map[string]any{{
		"id": 1, "name": "web", "active": true, "events": []string{"push"}, "config": map[string]string{"url": "https://chat.test/hook"},
	}}
	at := strings.TrimPrefix(strings.TrimSuffix(r.URL.Path, "/hooks"), "/")
	if _, ok := g.hooks[at]; ok {
		hooks = append(hooks, map[string]any{
			"id": hookID, "name": "web", "active": true, "events": []string{"push"}, "config": map[string]string{"url": g.Hook, "content_type": "json"},
		})
	}
	write(w, hooks)
}

func (g *GitHub) deliveries(w http.ResponseWriter, r *http.Request, sent []Delivery) {
	g.asked["deliveries"]++
	size := 30
	if n, err := strconv.Atoi(r.FormValue("per_page")); err == nil {
		size = min(n, 100)
	}
	end := len(sent)
	if cursor, ok := strings.CutPrefix(r.FormValue("cursor"), "v1_"); ok {
		end, _ = strconv.Atoi(cursor)
	}
	page := []map[string]any{}
	n := end
	for ; n > 0 && len(page) < size; n-- {
		if time.Since(sent[n-1].At) < Remembered {
			page = append(page, sent[n-1].view(n))
		}
	}
	if n > 0 {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?per_page=%d&cursor=v1_%d>; rel="next"`, g.URL, r.URL.Path, size, n))
	}
	write(w, page)
}

func (d Delivery) view(id int) map[string]any {
	status := "OK"
	if d.Status == 0 {
		status = "failed to connect to host"
	} else if d.Status >= 300 {
		status = "Invalid HTTP Response: " + strconv.Itoa(d.Status)
	}
	return map[string]any{
		"id": id, "guid": d.GUID, "delivered_at": d.At.UTC().Format("2006-01-02T15:04:05.000Z"), "redelivery": false, "duration": 0.27,
		"status": status, "status_code": d.Status, "event": d.Event, "action": nil, "installation_id": nil, "repository_id": 1,
	}
}

func (g *GitHub) delivery(w http.ResponseWriter, r *http.Request, sent []Delivery) {
	g.asked["delivery"]++
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 || id > len(sent) {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	d := sent[id-1]
	view := d.view(id)
	view["request"] = map[string]any{
		"headers": map[string]string{"X-GitHub-Delivery": d.GUID, "X-GitHub-Event": d.Event, "Content-Type": "application/json"},
		"payload": json.RawMessage(d.Payload),
	}
	view["response"] = map[string]any{"headers": map[string]string{}, "payload": nil}
	write(w, view)
}
