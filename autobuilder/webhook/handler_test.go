package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/webhook"
)

const (
	present  = "the present secret"
	previous = "the previous secret"
)

// shelf is a store that remembers, or fails.
type shelf struct {
	mu     sync.Mutex
	kept   []build.Delivery
	broken error
}

func (s *shelf) store(_ context.Context, d build.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.kept = append(s.kept, d)
	return nil
}

func (s *shelf) all() []build.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// keys are those of every repository.
func keys(secrets ...string) func() []webhook.Key {
	list := make([]webhook.Key, 0, len(secrets))
	for _, secret := range secrets {
		list = append(list, webhook.Key{Secret: []byte(secret)})
	}
	return func() []webhook.Key { return list }
}

// receiver is a server with the handler, and what it stored and logged.
type receiver struct {
	*shelf
	url string
	log *bytes.Buffer
}

func receive(t *testing.T, change ...func(*webhook.Handler)) receiver {
	t.Helper()
	r := receiver{shelf: &shelf{}, log: &bytes.Buffer{}}
	handler := &webhook.Handler{
		Keys: keys(present, previous), Store: r.store,
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for _, c := range change {
		c(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// request is a delivery as GitHub sends it, before a test changes it.
func request(t *testing.T, to string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-GitHub-Delivery", "d-1")
	r.Header.Set("X-Hub-Signature-256", sign(present, body))
	return r
}

func do(t *testing.T, r *http.Request) (status int, text string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

const (
	commit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
	aPush  = `{"ref":"refs/heads/master","before":"0000000000000000000000000000000000000000",
		"after":"` + commit + `","repository":{"full_name":"acme/shop","clone_url":"https://git.test/acme/shop.git"},
		"head_commit":{"id":"` + commit + `","message":"add a till"},"pusher":{"name":"ada"}}`
)

func TestAPushIsKeptBeforeItIsAcknowledged(t *testing.T) {
	t.Parallel()
	r := receive(t)
	status, text := do(t, request(t, r.url, []byte(aPush)))
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "kept d-1\n", text)
	require.Len(t, r.all(), 1)
	d := r.all()[0]
	assert.Equal(t, "d-1", d.ID)
	assert.Equal(t, "push", d.Event)
	assert.True(t, bytes.Equal([]byte(aPush), d.Body), "byte for byte")
	assert.WithinDuration(t, time.Now(), d.Received, time.Minute)
	assert.Equal(t, build.Push{
		Repo: "acme/shop", Ref: "refs/heads/master", Before: strings.Repeat("0", 40), After: commit, Commit: commit,
		Pusher: "ada", Message: "add a till", CloneURL: "https://git.test/acme/shop.git",
	}, d.Push)
	assert.Contains(t, r.log.String(), "delivery=d-1")
}

func TestADeliveryThatIsNotKeptIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	r := receive(t)
	r.broken = errors.New("disk full at /var/secret-place")
	status, text := do(t, request(t, r.url, []byte(aPush)))
	assert.Equal(t, http.StatusInternalServerError, status)
	assert.NotContains(t, text, "secret-place", "the sender need not know")
	assert.Contains(t, r.log.String(), "disk full")
}

func TestASenderThatHangsUpIsKeptAllTheSame(t *testing.T) {
	t.Parallel()
	r := receive(t)
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	answer := httptest.NewRecorder()
	in := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(aPush)).WithContext(ctx)
	in.Header = request(t, r.url, []byte(aPush)).Header
	store := func(ctx context.Context, d build.Delivery) error {
		return errors.Join(ctx.Err(), r.store(ctx, d))
	}
	handler := webhook.Handler{Keys: keys(present), Store: store, Log: slog.New(slog.DiscardHandler)}
	handler.ServeHTTP(answer, in)
	assert.Equal(t, http.StatusAccepted, answer.Code)
	assert.Len(t, r.all(), 1)
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	body := []byte(aPush)
	bySHA1 := func() string {
		mac := hmac.New(sha1.New, []byte(present))
		mac.Write(body)
		return "sha1=" + hex.EncodeToString(mac.Sum(nil))
	}
	tests := []struct {
		name      string
		signature string
		status    int
	}{
		{"the present secret", sign(present, body), http.StatusAccepted},
		{"the previous secret", sign(previous, body), http.StatusAccepted},
		{"in capitals", "sha256=" + strings.ToUpper(strings.TrimPrefix(sign(present, body), "sha256=")), http.StatusAccepted},
		{"another secret", sign("guessed", body), http.StatusUnauthorized},
		{"an empty secret", sign("", body), http.StatusUnauthorized},
		{"of another body", sign(present, append(body, ' ')), http.StatusUnauthorized},
		{"none", "", http.StatusUnauthorized},
		{"no digits", "sha256=", http.StatusUnauthorized},
		{"half of it", sign(present, body)[:40], http.StatusUnauthorized},
		{"no hex", "sha256=" + strings.Repeat("z", 64), http.StatusUnauthorized},
		{"without its kind", strings.TrimPrefix(sign(present, body), "sha256="), http.StatusUnauthorized},
		{"the kind that is broken", bySHA1(), http.StatusUnauthorized},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t)
			q := request(t, r.url, body)
			q.Header.Set("X-Hub-Signature-256", test.signature)
			status, _ := do(t, q)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.status == http.StatusAccepted, len(r.all()) == 1)
			assert.NotContains(t, r.log.String(), present)
		})
	}
}

func TestARepositoryWithAKeyOfItsOwnTakesNoOther(t *testing.T) {
	t.Parallel()
	list := []webhook.Key{
		{Secret: []byte(present)},
		{Secret: []byte("shop's"), Repo: "Acme/Shop"},
		{Secret: []byte("till's"), Repo: "acme/till"},
		{Secret: []byte("till's old"), Repo: "acme/till"},
	}
	tests := []struct {
		name, secret, repo string
		status             int
	}{
		{"its own", "shop's", "acme/shop", http.StatusAccepted},
		{"another's", "till's", "acme/shop", http.StatusUnauthorized},
		{"everybody's", present, "acme/shop", http.StatusUnauthorized},
		{"its previous", "till's old", "acme/till", http.StatusAccepted},
		{"everybody's where there is none", present, "acme/kiosk", http.StatusAccepted},
		{"another's where there is none", "till's", "acme/kiosk", http.StatusUnauthorized},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, func(h *webhook.Handler) { h.Keys = func() []webhook.Key { return list } })
			body := []byte(strings.ReplaceAll(aPush, "acme/shop", test.repo))
			q := request(t, r.url, body)
			q.Header.Set("X-Hub-Signature-256", sign(test.secret, body))
			status, _ := do(t, q)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.status == http.StatusAccepted, len(r.all()) == 1)
		})
	}
}

func TestWithoutASecretNothingIsAccepted(t *testing.T) {
	t.Parallel()
	r := receive(t, func(h *webhook.Handler) { h.Keys = keys("") })
	q := request(t, r.url, []byte(aPush))
	q.Header.Set("X-Hub-Signature-256", sign("", []byte(aPush)))
	status, _ := do(t, q)
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestTheSignatureIsGitHubs(t *testing.T) {
	t.Parallel()
	// The example of GitHub's documentation: its signature fits, so what is wrong is the JSON.
	r := receive(t, func(h *webhook.Handler) { h.Keys = keys("It's a Secret to Everybody") })
	q := request(t, r.url, []byte("Hello, World!"))
	q.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	status, _ := do(t, q)
	assert.Equal(t, http.StatusBadRequest, status)
	q = request(t, r.url, []byte("Hello, World?"))
	q.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	status, _ = do(t, q)
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestAFormIsSignedAsItComes(t *testing.T) {
	t.Parallel()
	r := receive(t)
	form := []byte(url.Values{"payload": {aPush}}.Encode())
	q := request(t, r.url, form)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	status, _ := do(t, q)
	assert.Equal(t, http.StatusAccepted, status)
	require.Len(t, r.all(), 1)
	assert.True(t, bytes.Equal([]byte(aPush), r.all()[0].Body))
	assert.Equal(t, "acme/shop", r.all()[0].Push.Repo)

	q = request(t, r.url, form)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("X-Hub-Signature-256", sign(present, []byte(aPush)))
	status, _ = do(t, q)
	assert.Equal(t, http.StatusUnauthorized, status, "signed is the form, not the JSON in it")
}

func TestWhatIsNoDeliveryIsRefused(t *testing.T) {
	t.Parallel()
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	tests := []struct {
		name   string
		body   string
		change func(*http.Request)
		status int
		text   string
	}{
		{"no event", aPush, set("X-GitHub-Event", ""), http.StatusBadRequest, "X-GitHub-Event"},
		{"an event that only a person makes", aPush, set("X-GitHub-Event", "trigger"), http.StatusBadRequest, "X-GitHub-Event"},
		{"an event that only autobuilder makes", aPush, set("X-GitHub-Event", "found"), http.StatusBadRequest, "X-GitHub-Event"},
		{"an event with odd characters", aPush, set("X-GitHub-Event", "push\x1b[2J"), http.StatusBadRequest, ""},
		{"no id", aPush, set("X-GitHub-Delivery", ""), http.StatusBadRequest, "X-GitHub-Delivery"},
		{"an endless id", aPush, set("X-GitHub-Delivery", strings.Repeat("a", 200)), http.StatusBadRequest, "X-GitHub-Delivery"},
		{"no content type", aPush, set("Content-Type", ""), http.StatusBadRequest, "Content-Type"},
		{"text", aPush, set("Content-Type", "text/plain"), http.StatusBadRequest, "text/plain"},
		{"no JSON", "{", nil, http.StatusBadRequest, "read push"},
		{"empty", "", nil, http.StatusBadRequest, "read push"},
		{"a list", "[]", nil, http.StatusBadRequest, "read push"},
		{"no ref", `{"after":"` + commit + `","repository":{"full_name":"a/b"}}`, nil, http.StatusBadRequest, "ref"},
		{"no repository", `{"ref":"refs/heads/master","after":"` + commit + `"}`, nil, http.StatusBadRequest, "repository"},
		{"no commit", `{"ref":"refs/heads/master","repository":{"full_name":"a/b"}}`, nil, http.StatusBadRequest, "after"},
		{
			"a commit that is an option", `{"ref":"refs/heads/master","after":"--upload-pack=x","repository":{"full_name":"a/b"}}`, nil,
			http.StatusBadRequest, "after",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t)
			q := request(t, r.url, []byte(test.body))
			if test.change != nil {
				test.change(q)
			}
			response, err := http.DefaultTransport.RoundTrip(q)
			if err != nil {
				return // net/http itself refused the header
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, test.status, response.StatusCode)
			assert.Contains(t, string(text), test.text)
			assert.Empty(t, r.all())
		})
	}
}

func TestABodyOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := receive(t)
	fits := append([]byte(aPush), bytes.Repeat([]byte(" "), webhook.MaxBody-len(aPush))...)
	status, _ := do(t, request(t, r.url, fits))
	assert.Equal(t, http.StatusAccepted, status)

	q := request(t, r.url, append(fits, ' '))
	status, _ = do(t, q)
	assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	assert.Len(t, r.all(), 1)
}

func TestASlowSenderIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	r := receive(t, func(h *webhook.Handler) { h.BodyTimeout = 50 * time.Millisecond })
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = fmt.Fprintf(connection, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n"+
		"X-GitHub-Delivery: d-1\r\nX-Hub-Signature-256: sha256=00\r\nContent-Length: 1000\r\n\r\n{")
	require.NoError(t, err)
	answer, err := io.ReadAll(connection)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "408 Request Timeout")
	assert.Empty(t, r.all())
}

func TestAPingIsAnswered(t *testing.T) {
	t.Parallel()
	r := receive(t)
	q := request(t, r.url, []byte(`{"zen":"Keep it logically awesome.","hook_id":1}`))
	q.Header.Set("X-GitHub-Event", "ping")
	status, text := do(t, q)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "pong\n", text)
	require.Len(t, r.all(), 1)
	assert.Empty(t, r.all()[0].Body)
}
