package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-github/v84/github"

	"autobuilder/build"
)

// Sent asks GitHub what it has sent to this webhook, or tried to send.
type Sent struct {
	client *github.Client
	hook   string // address that the webhook sends to

	mu    sync.Mutex
	hooks map[string]place // by repository
}

// place is where a repository's webhook stands: in it or in its organisation.
type place struct {
	owner, repo string // repo is empty for an organisation's
	id          int64
}

// apiTime bounds one question to GitHub.
const apiTime = 30 * time.Second

// NewSent prepares the questions. API is https://api.github.com, or that of an
// own GitHub; hook is the address that GitHub's settings have for the webhook.
func NewSent(api, token, hook string) (*Sent, error) {
	base, err := url.Parse(strings.TrimRight(api, "/") + "/")
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("github.api %q: write it like https://api.github.com", api)
	}
	client := github.NewClient(&http.Client{Timeout: apiTime}).WithAuthToken(token)
	client.BaseURL = base
	return &Sent{client: client, hook: strings.TrimRight(hook, "/"), hooks: map[string]place{}}, nil
}

// Pushes are the pushes of the repository that GitHub tells of since a time, and
// that are not known, oldest first. GitHub remembers three days.
func (s *Sent) Pushes(ctx context.Context, repo string, since time.Time, known func(context.Context, string) (bool, error)) ([]build.Delivery, error) {
	at, err := s.find(ctx, repo)
	if err != nil {
		return nil, fmt.Errorf("ask github what it sent of %s: %w", repo, explain(err))
	}
	missed, err := s.missed(ctx, at, since, known)
	var found []build.Delivery
	for _, one := range slices.Backward(missed) {
		d, fetchErr := s.fetch(ctx, at, one)
		err = errors.Join(err, fetchErr)
		if fetchErr == nil && strings.EqualFold(d.Push.Repo, repo) {
			found = append(found, d)
		}
	}
	if err != nil {
		s.forget(repo) // it may stand elsewhere by now
		err = fmt.Errorf("ask github what it sent of %s: %w", repo, explain(err))
	}
	return found, err
}

// find says where the webhook of the repository stands.
func (s *Sent) find(ctx context.Context, repo string) (place, error) {
	s.mu.Lock()
	at, ok := s.hooks[repo]
	s.mu.Unlock()
	if ok {
		return at, nil
	}
	owner, name, _ := strings.Cut(repo, "/")
	most := &github.ListOptions{PerPage: 100}
	hooks, _, err := s.client.Repositories.ListHooks(ctx, owner, name, most)
	if err != nil {
		return at, err
	}
	at = place{owner: owner, repo: name, id: s.ours(hooks)}
	if at.id == 0 {
		hooks, _, err = s.client.Organizations.ListHooks(ctx, owner, most)
		at = place{owner: owner, id: s.ours(hooks)}
	}
	if at.id == 0 {
		return at, errors.Join(fmt.Errorf("neither it nor %s has a webhook to %s", owner, s.hook), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks[repo] = at
	return at, nil
}

func (s *Sent) forget(repo string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hooks, repo)
}

// ours is the webhook that sends here; 0: none does.
func (s *Sent) ours(hooks []*github.Hook) int64 {
	for _, hook := range hooks {
		if strings.TrimRight(hook.GetConfig().GetURL(), "/") == s.hook {
			return hook.GetID()
		}
	}
	return 0
}

// missed are the pushes that are not known, newest first, each once.
func (s *Sent) missed(ctx context.Context, at place, since time.Time, known func(context.Context, string) (bool, error)) ([]*github.HookDelivery, error) {
	var found []*github.HookDelivery
	seen := map[string]bool{}
	options := &github.ListCursorOptions{PerPage: 100}
	for {
		page, response, err := s.list(ctx, at, options)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.GetDeliveredAt().Before(since) {
				return found, nil
			}
			if d.GetEvent() != "push" || seen[d.GetGUID()] || !deliveryID.MatchString(d.GetGUID()) {
				continue
			}
			seen[d.GetGUID()] = true
			there, err := known(ctx, d.GetGUID())
			if err != nil {
				return nil, err
			}
			if !there {
				found = append(found, d)
			}
		}
		if options.Cursor = response.Cursor; options.Cursor == "" || len(page) == 0 {
			return found, nil
		}
	}
}

func (s *Sent) list(ctx context.Context, at place, o *github.ListCursorOptions) ([]*github.HookDelivery, *github.Response, error) {
	if at.repo == "" {
		return s.client.Organizations.ListHookDeliveries(ctx, at.owner, at.id, o)
	}
	return s.client.Repositories.ListHookDeliveries(ctx, at.owner, at.repo, at.id, o)
}

// fetch brings a delivery as the webhook would have. It comes from GitHub by
// TLS, with our token: it needs no signature.
func (s *Sent) fetch(ctx context.Context, at place, one *github.HookDelivery) (build.Delivery, error) {
	var whole *github.HookDelivery
	var err error
	if at.repo == "" {
		whole, _, err = s.client.Organizations.GetHookDelivery(ctx, at.owner, at.id, one.GetID())
	} else {
		whole, _, err = s.client.Repositories.GetHookDelivery(ctx, at.owner, at.repo, at.id, one.GetID())
	}
	if err != nil {
		return build.Delivery{}, err
	}
	d := build.Delivery{ID: one.GetGUID(), Event: "push", Received: time.Now()}
	if request := whole.GetRequest(); request != nil && request.RawPayload != nil {
		d.Body = *request.RawPayload
	}
	d.Push, err = Parse(d.Event, d.Body)
	if err != nil {
		return d, fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	return d, nil
}

// explain says what to do about GitHub's refusals.
func explain(err error) error {
	var no *github.ErrorResponse
	if !errors.As(err, &no) || no.Response == nil {
		return err
	}
	switch no.Response.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: github.token is not accepted, make a new one", err)
	case http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("%w: github.token needs read access to the webhooks of the repository (admin:repo_hook, or Webhooks: read)", err)
	}
	return err
}
