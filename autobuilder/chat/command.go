// Package chat is what people say to autobuilder in a room, and what it answers:
// one grammar for Slack, Hubot and whatever comes.
package chat

import (
	"fmt"
	"strings"
	"time"
)

// Verb is what somebody wants.
type Verb string

// The verbs.
const (
	Deploy   Verb = "deploy"
	Rollback Verb = "rollback"
	Status   Verb = "status"
	Lock     Verb = "lock"
	Unlock   Verb = "unlock"
	Approve  Verb = "approve"
	Reject   Verb = "reject"
	Queue    Verb = "queue"
	Where    Verb = "where" // can I deploy an app
	Deploys  Verb = "deploys"
	Version  Verb = "version"
	Help     Verb = "help"
)

// Command is one sentence, understood.
type Command struct {
	Verb        Verb
	App         string
	Ref         string // of a deploy: branch, tag or commit; of a rollback: the version
	Environment string
	Hosts       string        // of a deploy: just these servers, as build.ParseOnly gives them
	Task        string        // of a deploy: what else than to deploy
	Force       bool          // of a deploy: also what was built before
	Code        string        // of a deploy: a one-time password, as Hubot's users have it
	ID          string        // of an approval: a project, PROJECT@TAG or a build's ID
	Note        string        // a reason
	For         time.Duration // of a lock
}

// String is the sentence in its plainest form.
func (c Command) String() string {
	switch c.Verb {
	case Deploy:
		return c.deploy()
	case Deploys:
		return "deploys " + c.target()
	case Rollback:
		return "rollback " + c.App + after(" to ", c.Ref)
	case Where:
		return "where can i deploy " + c.App
	case Version:
		return "deploy:version"
	case Lock:
		words := "lock " + c.App + after(" ", c.Note)
		if c.Environment != "" {
			words = "deploy:lock " + c.App + " in " + c.Environment
		}
		if c.For > 0 {
			words += " for " + c.For.String()
		}
		return words
	case Unlock:
		if c.Environment != "" {
			return "deploy:unlock " + c.App + " in " + c.Environment
		}
		return "unlock " + c.App + after(" ", c.Note)
	case Approve, Reject:
		return string(c.Verb) + " " + c.ID + after(" ", c.Note)
	}
	return string(c.Verb) + after(" ", c.App)
}

func (c Command) deploy() string {
	words := "deploy"
	if c.Task != "" {
		words += ":" + c.Task
	}
	if c.Force {
		words += "!"
	}
	return words + " " + c.target() + after(" ", c.Code)
}

func (c Command) target() string {
	words := c.App + after("/", c.Ref)
	if c.Environment != "" {
		words += " to " + c.Environment + after("/", c.Hosts)
	}
	return words
}

func after(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// Mistake says what was not understood, and what would be.
type Mistake struct{ Hint string }

// Error is the hint.
func (m *Mistake) Error() string { return m.Hint }

func mistake(format string, args ...any) error {
	return &Mistake{Hint: fmt.Sprintf(format, args...)}
}

// sentences say how each verb is used.
func sentences() map[Verb]string {
	return map[Verb]string{
		Deploy:   "deploy APP[/REF] [to ENV[/HOSTS]]",
		Rollback: "rollback APP [to VERSION]",
		Status:   "status [APP]",
		Lock:     "lock APP [reason] [for 2h]",
		Unlock:   "unlock APP",
		Approve:  "approve ID",
		Reject:   "reject ID [reason]",
		Queue:    "queue",
		Where:    "where can i deploy APP",
		Deploys:  "deploys APP",
		Help:     "help",
	}
}

// Usage is every sentence that is understood, a line each.
func Usage() string {
	of := sentences()
	lines := make([]string, 0, len(of))
	for _, verb := range []Verb{Deploy, Rollback, Status, Queue, Deploys, Where, Lock, Unlock, Approve, Reject, Help} {
		lines = append(lines, of[verb])
	}
	return strings.Join(lines, "\n")
}
