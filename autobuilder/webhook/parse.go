package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"autobuilder/build"
)

// message is what matters in a payload.
type message struct {
	Ref        string `json:"ref"`
	Before     string `json:"before"`
	After      string `json:"after"`
	Forced     bool   `json:"forced"`
	Repository struct {
		FullName string `json:"full_name"`
		CloneURL string `json:"clone_url"`
	} `json:"repository"`
	HeadCommit *struct {
		ID      string `json:"id"`
		TreeID  string `json:"tree_id"` // not every sender says it
		Message string `json:"message"`
	} `json:"head_commit"`
	Pusher person `json:"pusher"`
	Sender person `json:"sender"`
}

type person struct {
	Name     string `json:"name"`
	Login    string `json:"login"`
	Username string `json:"username"`
}

// Parse reads a payload. Of events other than push only the repository and the
// sender matter, as the ledger names them.
func Parse(event string, body []byte) (build.Push, error) {
	if event != "push" {
		return parseOther(body)
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return build.Push{}, fmt.Errorf("read push: %w", err)
	}
	p := m.push()
	if err := check(p); err != nil {
		return build.Push{}, fmt.Errorf("read push: %w", err)
	}
	return p, nil
}

// parseOther takes what it finds: the shape of other events is their own.
func parseOther(body []byte) (build.Push, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return build.Push{}, fmt.Errorf("read payload: %w", err)
	}
	var m message
	_ = json.Unmarshal(fields["repository"], &m.Repository)
	_ = json.Unmarshal(fields["sender"], &m.Sender)
	return build.Push{Repo: m.Repository.FullName, Pusher: m.Sender.Login}, nil
}

func (m message) push() build.Push {
	p := build.Push{
		Repo: m.Repository.FullName, Ref: m.Ref, Before: m.Before, After: m.After,
		Pusher: first(m.Pusher.Name, m.Pusher.Login, m.Pusher.Username, m.Sender.Login),
		// Not every sender says "deleted"; all send zeros.
		CloneURL: m.Repository.CloneURL, Forced: m.Forced, Deleted: zeros(m.After),
	}
	if p.Deleted {
		return p
	}
	p.Commit = m.After
	if m.HeadCommit != nil && m.HeadCommit.ID != "" {
		p.Commit, p.Message = m.HeadCommit.ID, m.HeadCommit.Message
		if objectName.MatchString(m.HeadCommit.TreeID) {
			p.Tree = m.HeadCommit.TreeID
		}
	}
	return p
}

func first(names ...string) string {
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return ""
}

func zeros(object string) bool {
	return object != "" && strings.Trim(object, "0") == ""
}

var objectName = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// check refuses a push that says less than a build needs: a payload of
// unknown shape must not pass for one that asks for nothing.
func check(p build.Push) error {
	switch {
	case strings.Count(p.Repo, "/") != 1:
		return errors.New("repository.full_name is missing or not owner/name")
	case !strings.HasPrefix(p.Ref, "refs/"):
		return fmt.Errorf("ref %q is not refs/…", p.Ref)
	case !objectName.MatchString(p.After):
		return fmt.Errorf("after %q is no object name", p.After)
	case !p.Deleted && !objectName.MatchString(p.Commit):
		return fmt.Errorf("head_commit.id %q is no object name", p.Commit)
	}
	return nil
}
