package notify

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"autobuilder/build"
)

// Headline is the message in one line, as a room reads it:
// "shop v1.2.0 failed in 1 setup after 2m3s, pushed by ada".
func (m Message) Headline() string {
	switch m.Kind {
	case build.EventLocked:
		return fmt.Sprintf("%s is locked by %s%s", m.Project.Name, m.By, after(": ", m.Note))
	case build.EventUnlocked:
		return fmt.Sprintf("%s is unlocked%s%s", m.Project.Name, after(" by ", m.By), after(": ", m.Note))
	}
	words := m.subject() + " " + m.happened()
	if m.About.By != "" && m.Kind != build.EventApproved && m.Kind != build.EventTicked {
		words += ", pushed by " + m.About.By
	}
	return words
}

// subject is what the message is about: the project, which version of it, and
// which servers where it is not all.
func (m Message) subject() string {
	words := m.Project.Name
	switch {
	case m.About.Tag != "":
		words += " " + m.About.Tag
	case m.About.Commit != "":
		words += " " + short(m.About.Commit)
	case m.Rollout != nil:
		words += " " + cmp.Or(m.Rollout.Version, m.Rollout.Release)
	}
	if only := build.ToOnly(m.only()); only != "" {
		words += " (" + only + ")"
	}
	return words
}

// happened is what became of it.
func (m Message) happened() string {
	switch m.Kind {
	case build.EventQueued:
		return "waits to be built" + m.again() + m.kept()
	case build.EventRunning:
		return "is being built" + m.again()
	case build.EventSucceeded:
		return "is out" + m.to() + m.took(" after ")
	case build.EventFailed:
		return "failed" + after(" in ", m.Step) + m.took(" after ")
	case build.EventAborted, build.EventLost, build.EventSuperseded:
		return "was " + string(m.Kind) + after(": ", m.Note)
	case build.EventHeld:
		return "waits for people: " + m.Note
	case build.EventApproved:
		return fmt.Sprintf("was approved by %s%s%s", m.By, m.approvals(), after(": ", m.Note))
	case build.EventRejected, build.EventExpired:
		return "does not go out: " + m.Note
	case build.EventTicked:
		return fmt.Sprintf("%s is done, by %s", m.Note, m.By)
	case build.EventStepFailed:
		return "stopped at " + m.Note
	}
	return m.onServers()
}

// onServers is what became of a release that is on its way, or there.
func (m Message) onServers() string {
	switch m.Kind {
	case build.EventDelivering:
		return "is on its way to the servers" + m.to()
	case build.EventDelivered:
		return "runs on the servers" + m.to()
	case build.EventUndone:
		return "does not run on the servers" + after(": ", m.Note)
	case build.EventWatched:
		return "is watched " + m.Note
	case build.EventStays:
		return "stays" + after(": ", m.Note)
	case build.EventWithdrawn:
		return "is taken back" + after(": ", m.Note)
	case build.EventBad:
		return "is bad" + after(": ", m.Note)
	case build.EventUnjudged:
		return "could not be judged" + after(": ", m.Note)
	}
	return string(m.Kind)
}

func (m Message) again() string {
	if m.About.Release == "" {
		return ""
	}
	return " (from its stored release " + m.About.Release + ")"
}

// kept is what a build waits for that may not go yet.
func (m Message) kept() string {
	if m.Kind != build.EventQueued || m.now != build.Queued {
		return ""
	}
	return after(": ", m.About.Why)
}

func (m Message) to() string { return after(" in ", m.Project.Environment()) }

func (m Message) took(word string) string {
	if m.About.Started.IsZero() || m.About.Ended.IsZero() {
		return ""
	}
	return word + m.About.Ended.Sub(m.About.Started).Round(time.Second).String()
}

func (m Message) approvals() string {
	if m.Hold == nil || m.Hold.Needed < 2 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", len(m.Hold.Approvals()), m.Hold.Needed)
}

// Details are what a room may want to know besides: what changes, why it
// failed, where to look.
func (m Message) Details() []string {
	var lines []string
	if m.About.Message != "" && len(m.Changes) == 0 {
		lines = append(lines, firstLine(m.About.Message))
	}
	if len(m.Changes) > 0 && m.tellsChanges() {
		lines = append(lines, fmt.Sprintf("since %s, which is live:", m.liveName()))
		for _, c := range m.Changes {
			lines = append(lines, fmt.Sprintf("  %s %s (%s)", short(c.ID), c.Subject, c.Author))
		}
		if m.More > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more", m.More))
		}
	}
	if m.Kind == build.EventFailed && m.Note != "" {
		lines = append(lines, m.Note)
	}
	for _, line := range m.Tail {
		lines = append(lines, "  "+line)
	}
	return lines
}

// tellsChanges keeps the list to where it is news, or needed.
func (m Message) tellsChanges() bool {
	switch m.Kind {
	case build.EventQueued, build.EventHeld, build.EventSucceeded, build.EventFailed:
		return true
	}
	return false
}

func (m Message) liveName() string {
	if m.Live.Version != "" {
		return m.Live.Version
	}
	return short(m.Live.Commit)
}

// Text is the whole message as plain text.
func (m Message) Text() string {
	lines := append([]string{m.Headline()}, m.Details()...)
	if m.Notes != "" && m.tellsChanges() {
		lines = append(lines, m.Notes)
	}
	return strings.Join(append(lines, m.Page), "\n")
}

func after(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func short(commit string) string { return commit[:min(len(commit), 10)] }
