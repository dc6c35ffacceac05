package slack

import (
	"strings"

	"github.com/slack-go/slack"

	"autobuilder/build"
	"autobuilder/notify"
)

// mostText is what Slack takes in one block, with room for what escaping adds.
const mostText = 2800

// The buttons of a release that waits; each is a verb of the chat's grammar.
const (
	approve = "approve"
	reject  = "reject"
)

func isButton(action string) bool { return action == approve || action == reject }

// head is the release's message: its state in one line, what it is about, and
// the buttons while it waits for approvals.
func head(m notify.Message) []slack.MsgOption {
	line := sign(m.Kind) + " " + escape(m.Headline())
	blocks := []slack.Block{section(line)}
	var lines []string
	if m.Kind != build.EventFailed { // that is said below
		lines = m.Details()
	}
	if len(lines) > 0 {
		blocks = append(blocks, section(quoted(lines)))
	}
	links := "<" + m.Page + "|look at it>"
	if m.Notes != "" {
		links += "  <" + m.Notes + "|release notes>"
	}
	blocks = append(blocks, slack.NewContextBlock("", markdown(links)))
	if m.Hold != nil && m.Hold.State == build.Waiting && m.Hold.Problem == "" {
		blocks = append(blocks, buttons(m.Build))
	}
	return []slack.MsgOption{slack.MsgOptionText(line, false), slack.MsgOptionBlocks(blocks...)}
}

// below is what is said in a release's thread. What went wrong is shown to the
// channel too.
func below(m notify.Message) []slack.MsgOption {
	line := sign(m.Kind) + " " + escape(m.Headline())
	blocks := []slack.Block{section(line)}
	if lines := m.Details(); m.Kind.Bad() && len(lines) > 0 {
		blocks = append(blocks, section(quoted(lines)))
	}
	options := []slack.MsgOption{slack.MsgOptionText(line, false), slack.MsgOptionBlocks(blocks...)}
	if m.Kind.Bad() {
		options = append(options, slack.MsgOptionBroadcast())
	}
	return options
}

// sign is how a room tells kinds apart at a glance.
func sign(kind build.EventKind) string {
	switch kind {
	case build.EventSucceeded, build.EventStays, build.EventDelivered:
		return ":white_check_mark:"
	case build.EventHeld, build.EventApproved, build.EventTicked:
		return ":raised_hand:"
	case build.EventLocked:
		return ":lock:"
	case build.EventUnlocked:
		return ":unlock:"
	case build.EventRejected, build.EventExpired, build.EventAborted, build.EventSuperseded:
		return ":no_entry_sign:"
	}
	if kind.Bad() {
		return ":x:"
	}
	return ":hourglass_flowing_sand:"
}

func buttons(hold string) slack.Block {
	yes := slack.NewButtonBlockElement(approve, hold, plain("Approve")).WithStyle(slack.StylePrimary)
	no := slack.NewButtonBlockElement(reject, hold, plain("Reject")).WithStyle(slack.StyleDanger)
	return slack.NewActionBlock("", yes, no)
}

func section(text string) slack.Block { return slack.NewSectionBlock(markdown(text), nil, nil) }

func markdown(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, text, false, false)
}

func plain(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// quoted are lines as they stand.
func quoted(lines []string) string {
	text := []rune(strings.ReplaceAll(escape(strings.Join(lines, "\n")), "```", "'''"))
	if len(text) > mostText {
		text = append(text[:mostText], '…')
	}
	return "```" + string(text) + "```"
}

// escape keeps a text from being read as a link, or as a call for everybody.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
