package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v84/github"

	"autobuilder/build"
)

// GitHub shows on GitHub what becomes of a commit: as a status of the commit,
// and as a deployment to the project's environment.
type GitHub struct {
	client      *github.Client
	statuses    bool
	deployments bool
}

// NewGitHub prepares it. API is https://api.github.com, or that of an own GitHub.
func NewGitHub(api, token string, statuses, deployments bool) (*GitHub, error) {
	base, err := url.Parse(strings.TrimRight(api, "/") + "/")
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("github.api %q: write it like https://api.github.com", api)
	}
	client := github.NewClient(&http.Client{Timeout: sendTime}).WithAuthToken(token)
	client.BaseURL = base
	return &GitHub{client: client, statuses: statuses, deployments: deployments}, nil
}

// shown is what GitHub shows of an event.
type shown struct {
	status     string // of the commit: pending, success, failure or error
	deployment string // its state; empty: none is made or moved
}

func show(kind build.EventKind) (s shown, ok bool) {
	s, ok = map[build.EventKind]shown{
		build.EventHeld:       {"pending", ""},
		build.EventQueued:     {"pending", "queued"},
		build.EventRunning:    {"pending", "in_progress"},
		build.EventSucceeded:  {"success", "success"},
		build.EventFailed:     {"failure", "failure"},
		build.EventAborted:    {"error", "error"},
		build.EventLost:       {"error", "error"},
		build.EventSuperseded: {"error", "inactive"},
		build.EventRejected:   {"failure", ""},
		build.EventExpired:    {"failure", ""},
		build.EventWithdrawn:  {"failure", "failure"},
		build.EventBad:        {"failure", ""},
	}[kind]
	return s, ok
}

// Order is that of the project: of two builds of a commit the last status counts.
func (*GitHub) Order() build.Order { return build.ByProject }

// Send moves the commit's status and the build's deployment. Ref is the
// deployment's ID. What goes to some servers only is not told: a deployment that
// succeeds would stand there as what the whole environment runs.
func (g *GitHub) Send(ctx context.Context, m Message) (string, error) {
	s, ok := show(m.Kind)
	owner, repo, isRepo := strings.Cut(m.Project.Repo, "/")
	if !ok || !isRepo || m.About.Commit == "" || m.only() != "" {
		return m.Ref, nil
	}
	at := place{GitHub: g, owner: owner, repo: repo, m: m}
	if g.statuses {
		if err := at.status(ctx, s.status); err != nil {
			return "", fmt.Errorf("set status of %s in %s: %w", short(m.About.Commit), m.Project.Repo, explain(err))
		}
	}
	if !g.deployments || s.deployment == "" {
		return m.Ref, nil
	}
	ref, err := at.deployment(ctx, s.deployment)
	if err != nil {
		return "", fmt.Errorf("show deployment of %s in %s: %w", short(m.About.Commit), m.Project.Repo, explain(err))
	}
	return ref, nil
}

// place is where a message is shown.
type place struct {
	*GitHub
	owner, repo string
	m           Message
}

// mostDescription is what GitHub takes, letters.
const mostDescription = 140

func (p place) description() string {
	text := []rune(p.m.Headline())
	if len(text) > mostDescription {
		return string(text[:mostDescription-1]) + "…"
	}
	return string(text)
}

// status sets the commit's status of this project; the last one set counts.
func (p place) status(ctx context.Context, state string) error {
	name := strings.TrimSuffix("autobuilder/"+p.m.Project.Name+"/"+p.m.Project.Environment(), "/")
	commit, description := p.m.About.Commit, p.description()
	if p.m.Tries > 0 {
		there, _, err := p.client.Repositories.ListStatuses(ctx, p.owner, p.repo, commit, &github.ListOptions{PerPage: 100})
		if err != nil {
			return err
		}
		for _, one := range there { // newest first
			if one.GetContext() == name && one.GetState() == state && one.GetDescription() == description {
				return nil
			}
			if one.GetContext() == name {
				break
			}
		}
	}
	_, _, err := p.client.Repositories.CreateStatus(ctx, p.owner, p.repo, commit, github.RepoStatus{
		State: &state, TargetURL: &p.m.Page, Description: &description, Context: &name,
	})
	return err
}

// deployment moves the build's deployment, which is made where there is none.
func (p place) deployment(ctx context.Context, state string) (string, error) {
	id, err := strconv.ParseInt(p.m.Ref, 10, 64)
	if err != nil {
		id, err = p.create(ctx)
	}
	if err != nil {
		return "", err
	}
	if p.m.Tries > 0 {
		told, err := p.told(ctx, id, state)
		if err != nil || told {
			return strconv.FormatInt(id, 10), err
		}
	}
	description := p.description()
	request := &github.DeploymentStatusRequest{State: &state, LogURL: &p.m.Page, Description: &description}
	if p.m.Project.Site != "" {
		request.EnvironmentURL = &p.m.Project.Site
	}
	_, _, err = p.client.Repositories.CreateDeploymentStatus(ctx, p.owner, p.repo, id, request)
	return strconv.FormatInt(id, 10), err
}

// told says whether the deployment is shown in the state already.
func (p place) told(ctx context.Context, id int64, state string) (bool, error) {
	there, _, err := p.client.Repositories.ListDeploymentStatuses(ctx, p.owner, p.repo, id, &github.ListOptions{PerPage: 1})
	return err == nil && len(there) > 0 && there[0].GetState() == state && there[0].GetDescription() == p.description(), err
}

const task = "deploy"

// mark is the payload by which a deployment is found again.
type mark struct {
	Build   string `json:"autobuilder"`
	Version string `json:"version,omitempty"`
	Notes   string `json:"release_notes,omitempty"`
}

func (p place) create(ctx context.Context) (int64, error) {
	environment, commit := cmp.Or(p.m.Project.Environment(), "production"), p.m.About.Commit
	if p.m.Tries > 0 {
		if id, err := p.made(ctx, environment); err != nil || id != 0 {
			return id, err
		}
	}
	text, verb := p.description(), task
	merge, production, contexts := false, environment == "production", []string{}
	made, _, err := p.client.Repositories.CreateDeployment(ctx, p.owner, p.repo, &github.DeploymentRequest{
		Ref: &commit, Task: &verb, AutoMerge: &merge, RequiredContexts: &contexts, Environment: &environment, Description: &text,
		ProductionEnvironment: &production, Payload: mark{Build: p.m.About.ID, Version: p.m.About.Version, Notes: p.m.Notes},
	})
	return made.GetID(), err
}

// made finds the build's deployment, where the answer to its making was lost; 0:
// there is none.
func (p place) made(ctx context.Context, environment string) (int64, error) {
	there, _, err := p.client.Repositories.ListDeployments(ctx, p.owner, p.repo, &github.DeploymentsListOptions{
		SHA: p.m.About.Commit, Task: task, Environment: environment, ListOptions: github.ListOptions{PerPage: 100},
	})
	for _, one := range there {
		var made mark
		if json.Unmarshal(one.Payload, &made) == nil && made.Build == p.m.About.ID {
			return one.GetID(), nil
		}
	}
	return 0, err
}

// explain puts GitHub's errors into the words of Sink.
func explain(err error) error {
	var (
		limit   *github.RateLimitError
		abuse   *github.AbuseRateLimitError
		refused *github.ErrorResponse
	)
	switch {
	case errors.As(err, &limit):
		return &Later{After: min(max(time.Until(limit.Rate.Reset.Time), time.Second), time.Hour), Err: err}
	case errors.As(err, &abuse) && abuse.RetryAfter != nil:
		return &Later{After: min(*abuse.RetryAfter, time.Hour), Err: err}
	case errors.As(err, &abuse):
		return &Later{After: time.Minute, Err: err}
	case errors.As(err, &refused) && refused.Response.StatusCode < http.StatusInternalServerError:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
