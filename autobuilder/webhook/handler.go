// Package webhook receives GitHub's deliveries: it checks the signature before
// anything else, reads what a push says, and answers once the delivery is kept.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v84/github"

	"autobuilder/build"
)

// MaxBody is the most that GitHub sends.
const MaxBody = 25 << 20

// Handler answers POST /webhooks/github.
type Handler struct {
	// Keys are what a delivery may be signed with; they may change meanwhile.
	Keys func() []Key
	// Store keeps a delivery. When it returns nil the delivery is on disk, and
	// GitHub is told so; storing one that is there already is no error.
	Store func(context.Context, build.Delivery) error
	Log   *slog.Logger
	// BodyTimeout is how long a sender may take for the body; 0 means 20 s.
	BodyTimeout time.Duration
}

// Key is a webhook's secret.
type Key struct {
	Secret []byte
	Repo   string // owner/name whose deliveries it signs; empty: those of every repository without a key of its own
}

// refusal is an answer that is not 2xx.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, why: fmt.Sprintf(format, args...)}
}

// ServeHTTP checks, keeps and only then acknowledges a delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log := h.Log.With("delivery", r.Header.Get(github.DeliveryIDHeader), "event", r.Header.Get(github.EventTypeHeader))
	delivery, err := h.receive(w, r)
	var no *refusal
	if errors.As(err, &no) {
		log.Warn("delivery refused", "status", no.status, "why", no.why, "from", r.RemoteAddr)
		http.Error(w, no.why, no.status)
		return
	}
	// GitHub sends once: what has come in whole is kept also where the sender
	// hangs up or this server is about to stop.
	if err := h.Store(context.WithoutCancel(r.Context()), delivery); err != nil {
		log.Error("delivery not kept", "error", err)
		http.Error(w, "the delivery could not be kept: redeliver it", http.StatusInternalServerError)
		return
	}
	log.Info("delivery kept", "repo", delivery.Push.Repo, "ref", delivery.Push.Ref)
	acknowledge(w, delivery)
}

func acknowledge(w http.ResponseWriter, d build.Delivery) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if d.Event == "ping" {
		io.WriteString(w, "pong\n") //nolint:errcheck // the sender is gone
		return
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "kept %s\n", d.ID)
}

func (h *Handler) receive(w http.ResponseWriter, r *http.Request) (build.Delivery, error) {
	d, signature, err := readHeaders(r.Header)
	if err != nil {
		return d, err
	}
	raw, err := h.readBody(w, r)
	if err != nil {
		return d, err
	}
	keys := h.Keys()
	fit := fitting(keys, signature, raw)
	if len(fit) == 0 {
		return d, refuse(http.StatusUnauthorized, "the signature does not fit: is the secret the same here and in the webhook's settings?")
	}
	body, err := payload(r.Header, raw)
	if err != nil {
		return d, err
	}
	d.Received = time.Now()
	d.Push, err = Parse(d.Event, body)
	if err != nil {
		return d, refuse(http.StatusBadRequest, "%s", err)
	}
	if !speakFor(fit, keys, d.Push.Repo) {
		return d, refuse(http.StatusUnauthorized, "the signature is not that of repository %s: its project has a secret of its own, or the secret is another's", d.Push.Repo)
	}
	if d.Event == "push" {
		d.Body = body // what else is sent is only counted: it asks for no build
	}
	return d, nil
}

var (
	eventName  = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)
	deliveryID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
)

func readHeaders(h http.Header) (d build.Delivery, signature string, err error) {
	d.Event, d.ID = h.Get(github.EventTypeHeader), h.Get(github.DeliveryIDHeader)
	signature = h.Get(github.SHA256SignatureHeader)
	switch {
	case !eventName.MatchString(d.Event) || d.Event == build.Trigger || d.Event == build.Found:
		return d, "", refuse(http.StatusBadRequest, "header X-GitHub-Event is missing or no event of GitHub's")
	case !deliveryID.MatchString(d.ID):
		return d, "", refuse(http.StatusBadRequest, "header X-GitHub-Delivery is missing or no id")
	case !strings.HasPrefix(signature, "sha256="):
		return d, "", refuse(http.StatusUnauthorized,
			"header %s is missing: set a secret in the webhook's settings", github.SHA256SignatureHeader)
	}
	return d, signature, nil
}

func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	timeout := h.BodyTimeout
	if timeout == 0 {
		timeout = 20 * time.Second
	}
	// A ResponseWriter without deadlines (a test's recorder) needs none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout))
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is over %d bytes", large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, "the body did not come within %s", timeout)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the body broke off: %s", err)
	}
	return raw, nil
}

// fitting are the keys that made the signature. Each comparison takes constant
// time.
func fitting(keys []Key, signature string, raw []byte) []Key {
	var fit []Key
	for _, key := range keys {
		if len(key.Secret) > 0 && github.ValidateSignature(signature, raw, key.Secret) == nil {
			fit = append(fit, key)
		}
	}
	return fit
}

// speakFor says whether one of the keys may sign for the repository: its own,
// or where it has none, one that is nobody's own.
func speakFor(fit, all []Key, repo string) bool {
	owner := ""
	if slices.ContainsFunc(all, func(k Key) bool { return k.Repo != "" && strings.EqualFold(k.Repo, repo) }) {
		owner = repo
	}
	return slices.ContainsFunc(fit, func(k Key) bool { return strings.EqualFold(k.Repo, owner) })
}

// payload is the JSON in the body, which may stand in a form.
func payload(h http.Header, raw []byte) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "header Content-Type is missing or wrong: %s", err)
	}
	switch kind {
	case "application/json":
		return raw, nil
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "the form is broken: %s", err)
		}
		return []byte(form.Get("payload")), nil
	}
	return nil, refuse(http.StatusBadRequest, "Content-Type %s is neither application/json nor a form", kind)
}
