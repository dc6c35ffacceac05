package slack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"autobuilder/build"
	"autobuilder/notify"
)

// Room tells a channel. Each release has one message there, which is changed as
// the release goes on; what people should not miss is said below it.
type Room struct {
	client   *slack.Client
	channel  string
	channels map[string]string // of projects that have another
}

// NewRoom prepares it. URL is that of Slack's API; empty: Slack's own.
func NewRoom(url, token, channel string, channels map[string]string) *Room {
	var options []slack.Option
	if url != "" {
		options = append(options, slack.OptionAPIURL(strings.TrimRight(url, "/")+"/"))
	}
	return &Room{client: slack.New(token, options...), channel: channel, channels: channels}
}

// Order is that of each release.
func (*Room) Order() build.Order { return build.ByThread }

// Send changes the release's message, or posts it, and says below it what people
// should not miss. Ref is the channel and the time by which Slack knows it.
func (r *Room) Send(ctx context.Context, m notify.Message) (string, error) {
	ref, err := r.send(ctx, m)
	if err != nil {
		return "", fmt.Errorf("tell slack: %w", explain(err))
	}
	return ref, nil
}

func (r *Room) send(ctx context.Context, m notify.Message) (string, error) {
	channel, ts, known := strings.Cut(m.Ref, "/")
	if !known {
		channel = r.channelOf(m.Project.Name)
	}
	if m.Kind == build.EventLocked || m.Kind == build.EventUnlocked {
		_, err := r.post(ctx, m, channel, "")
		return m.Ref, err
	}
	var err error
	if known {
		_, _, _, err = r.client.UpdateMessageContext(ctx, channel, ts, head(m)...)
		known = !isGone(err)
	}
	if !known { // also where somebody deleted it
		ts, err = r.post(ctx, m, channel, "")
	}
	if err == nil && isNews(m.Kind) {
		_, err = r.post(ctx, m, channel, ts)
	}
	return channel + "/" + ts, err
}

func (r *Room) channelOf(project string) string {
	if channel := r.channels[project]; channel != "" {
		return channel
	}
	return r.channel
}

// isNews says whether a kind is said below the release's message.
func isNews(kind build.EventKind) bool {
	switch kind {
	case build.EventFailed, build.EventLost, build.EventApproved, build.EventRejected, build.EventExpired, build.EventTicked,
		build.EventStepFailed, build.EventUndone, build.EventWithdrawn, build.EventUnjudged, build.EventBad:
		return true
	}
	return false
}

// post says something, below the message ts if there is one. Where it may have
// been said before, it is looked for first.
func (r *Room) post(ctx context.Context, m notify.Message, channel, ts string) (string, error) {
	if m.Tries > 0 {
		if there, err := r.find(ctx, m, channel, ts); err != nil || there != "" {
			return there, err
		}
	}
	options := head(m)
	if ts != "" {
		options = append(below(m), slack.MsgOptionTS(ts))
	}
	options = append(options, slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType: markType, EventPayload: map[string]any{markEvent: mark(m)},
	}))
	_, at, err := r.client.PostMessageContext(ctx, channel, options...)
	return at, err
}

// The mark by which a message is found again.
const (
	markType  = "autobuilder_event"
	markEvent = "event"
)

func mark(m notify.Message) string {
	return m.Thread + "#" + strconv.FormatInt(m.Seq, 10)
}

const mostFound = 200

// find looks for what was posted without an answer; empty: it was not. A bot that
// may not read the channel can't know, and says it again.
func (r *Room) find(ctx context.Context, m notify.Message, channel, ts string) (string, error) {
	oldest := strconv.FormatInt(m.Begun.Add(-time.Minute).Unix(), 10)
	var found []slack.Message
	var err error
	if ts == "" {
		var history *slack.GetConversationHistoryResponse
		history, err = r.client.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: channel, Oldest: oldest, Limit: mostFound, IncludeAllMetadata: true,
		})
		if err == nil {
			found = history.Messages
		}
	} else {
		found, _, _, err = r.client.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: ts, Oldest: oldest, Limit: mostFound, IncludeAllMetadata: true,
		})
	}
	if isRefused(err) {
		return "", nil
	}
	for _, one := range found {
		if one.Metadata.EventType == markType && one.Metadata.EventPayload[markEvent] == mark(m) && (ts == "" || one.Timestamp != ts) {
			return one.Timestamp, nil
		}
	}
	return "", err
}

// explain puts Slack's errors into the words of notify.Sink.
func explain(err error) error {
	var limit *slack.RateLimitedError
	switch {
	case errors.As(err, &limit):
		return &notify.Later{After: limit.RetryAfter, Err: err}
	case isRefused(err):
		return fmt.Errorf("%w: %w", notify.ErrRefused, err)
	}
	return err
}

// isRefused says whether Slack understood, and does not want it.
func isRefused(err error) bool {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Err {
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited":
		return false
	}
	return true
}

// isGone says whether there is no such message any more.
func isGone(err error) bool {
	var answer slack.SlackErrorResponse
	return errors.As(err, &answer) && (answer.Err == "message_not_found" || answer.Err == "channel_not_found" || answer.Err == "cant_update_message")
}
