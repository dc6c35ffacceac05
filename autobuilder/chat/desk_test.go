package chat_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/chat"
)

// work is what a desk has done, without a ledger: that is tested with the real
// one in cmd/autobuilder.
type work struct {
	asked   []build.Delivery
	fate    build.Fate
	holds   []build.Hold
	decided []string
	live    build.Live
	before  build.Live
	open    []build.Build
	builds  []build.Build
	locks   []build.Lock
	err     error
}

func (w *work) Ask(_ context.Context, d build.Delivery) error {
	w.asked = append(w.asked, d)
	return w.err
}
func (w *work) Fate(context.Context, string) (build.Fate, error) { return w.fate, w.err }
func (w *work) decide(verb, hold, by, note string) (build.Hold, error) {
	for _, h := range w.holds {
		if h.Project+"@"+h.Tag == hold {
			w.decided = append(w.decided, strings.TrimSpace(strings.Join([]string{verb, hold, "by", by, note}, " ")))
			return h, w.err
		}
	}
	return build.Hold{}, fmt.Errorf("nothing of %q is held: %w", hold, build.ErrUnknown)
}

func (w *work) Approve(_ context.Context, hold, by, note string) (build.Hold, error) {
	return w.decide("approve", hold, by, note)
}

func (w *work) Reject(_ context.Context, hold, by, note string) (build.Hold, error) {
	return w.decide("reject", hold, by, note)
}
func (w *work) Holds(context.Context, bool) ([]build.Hold, error) { return w.holds, w.err }
func (w *work) Live(context.Context) ([]build.Live, error)        { return []build.Live{w.live}, w.err }

func (w *work) Before(context.Context, string, string, string, time.Time) (build.Live, error) {
	return w.before, w.err
}

func (w *work) Open(_ context.Context, project string) ([]build.Build, error) {
	if project != "shop" {
		return nil, w.err
	}
	return w.open, w.err
}

func (w *work) Builds(context.Context, string, int) ([]build.Build, error) { return w.builds, w.err }

func (w *work) LockOf(_ context.Context, project string) (*build.Lock, error) {
	for _, l := range w.locks {
		if l.Project == project {
			return &l, w.err
		}
	}
	return nil, w.err
}

func (w *work) Lock(_ context.Context, l build.Lock) error {
	w.locks = append(w.locks, l)
	return w.err
}

func (w *work) Unlock(_ context.Context, project, _, _ string) error {
	if len(w.locks) == 0 {
		return fmt.Errorf("unlock %s: %w", project, build.ErrUnknown)
	}
	w.locks = nil
	return w.err
}

func projects() []build.Project {
	all := []build.Project{
		{Name: "shop", Repo: "acme/shop"},
		{Name: "shop-staging", Repo: "acme/shop", Env: map[string]string{"DELIVER_ENV": "staging"}},
		{Name: "till", Repo: "acme/till", Chat: build.Chat{
			Deploy: []string{"ada"}, Rollback: []string{"ada"}, Lock: []string{"ada"}, Rooms: []string{"C-TILL"},
		}},
	}
	for i := range all {
		all[i].Defaults()
	}
	return all
}

func desk(w *work) *chat.Desk {
	return chat.New(chat.Options{
		Projects: projects, Names: func() map[string]string { return map[string]string{"U1": "ada"} }, Work: w,
		URL:  func() string { return "https://ci.test/" },
		Hide: func(text string) string { return strings.ReplaceAll(text, "hunter2", "[secret]") }, Log: slog.New(slog.DiscardHandler),
	})
}

func ada(text string) chat.Sentence {
	return chat.Sentence{By: chat.Person{Account: "U1", Name: "Ada L.", Service: "slack", Room: "C-TILL"}, Text: text}
}

func bob(text string) chat.Sentence {
	return chat.Sentence{By: chat.Person{Account: "U2", Name: "ada", Service: "slack", Room: "C-ALL"}, Text: text}
}

func TestAskingForADeploy(t *testing.T) {
	t.Parallel()
	w := &work{fate: build.Fate{Verdict: "build", Why: "triggered by hand", Build: "b7"}}
	d := desk(w)
	reply := d.Answer(t.Context(), ada("deploy shop/topic to staging"))
	assert.Equal(t, chat.Reply{Text: "shop-staging: triggered by hand\nhttps://ci.test/builds/b7", Public: true}, reply)
	require.Len(t, w.asked, 1)
	assert.Equal(t, build.Trigger, w.asked[0].Event)
	assert.Equal(t, build.Push{Repo: "acme/shop", Project: "shop-staging", Ref: "topic", Pusher: "ada"}, w.asked[0].Push)

	d.Answer(t.Context(), bob("deploy! shop"))
	d.Answer(t.Context(), ada("deploy shop/topic to staging/h1,h2"))
	assert.Equal(t, build.Push{Repo: "acme/shop", Project: "shop-staging", Ref: "topic", Pusher: "ada", Only: "h1,h2"}, w.asked[2].Push)
	w.asked = w.asked[:2]
	assert.Equal(t, build.Push{Repo: "acme/shop", Project: "shop", Ref: "refs/heads/master", Pusher: "ada (slack)", Again: true}, w.asked[1].Push,
		"whom the config does not name is nobody else of the same name")

	twice := ada("deploy shop")
	twice.ID = "trigger.1"
	d.Answer(t.Context(), twice)
	d.Answer(t.Context(), twice)
	assert.Equal(t, w.asked[2].ID, w.asked[3].ID, "a message that comes twice is one wish")
	w.locks = []build.Lock{{Project: "shop", By: "eve", Reason: "the tables move"}}
	assert.Contains(t, d.Answer(t.Context(), ada("deploy shop")).Text, "\nit waits: locked by eve: the tables move\n")
	w.fate = build.Fate{Verdict: "ignored", Why: "the repository has no such branch, tag or commit"}
	assert.Equal(t, chat.Reply{Text: "shop: the repository has no such branch, tag or commit"}, d.Answer(t.Context(), ada("deploy shop/no")))
}

func TestGoingBack(t *testing.T) {
	t.Parallel()
	w := &work{
		fate: build.Fate{Verdict: "build", Why: "back to v1.1.0", Build: "b8"},
		live: build.Live{Project: "shop", Version: "v1.2.0", Commit: "c2"}, before: build.Live{Version: "v1.1.0", Commit: "c1"},
	}
	d := desk(w)
	d.Answer(t.Context(), ada("rollback shop"))
	d.Answer(t.Context(), ada("rollback shop to v1.0.0"))
	require.Len(t, w.asked, 2)
	assert.Equal(t, build.Push{Repo: "acme/shop", Project: "shop", Ref: "c1", Pusher: "ada", Back: true}, w.asked[0].Push)
	assert.Equal(t, "v1.0.0", w.asked[1].Push.Ref)
	w.before = build.Live{}
	assert.Equal(t, "nothing ran before v1.2.0, as far as is known: say rollback shop to VERSION", d.Answer(t.Context(), ada("rollback shop")).Text)
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	w := &work{fate: build.Fate{Verdict: "build", Build: "b"}}
	d := desk(w)
	for _, text := range []string{"deploy till", "rollback till to v1", "lock till", "unlock till"} {
		assert.Equal(t, "till is not steered from this room", d.Answer(t.Context(), bob(text)).Text)
		here := bob(text)
		here.By.Room = "c-till"
		assert.Contains(t, d.Answer(t.Context(), here).Text, "ada (slack) may not ")
	}
	assert.Empty(t, w.asked)
	assert.Empty(t, w.locks)
	d.Answer(t.Context(), ada("deploy till"))
	assert.Len(t, w.asked, 1)
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	d := desk(&work{holds: []build.Hold{{Build: "b1", Project: "shop", Tag: "v2.0.0", State: build.Waiting, Needed: 1}}})
	for text, answer := range map[string]string{
		"deploy shpo":             "shpo? never heard of it. Did you mean shop?",
		"deploy website":          "website? never heard of it. There is shop, shop-staging, till",
		"deploy shop to moon":     "shop has no environment moon: it has production, staging",
		"deploy:migrate shop":     "there is no task migrate: only lock and unlock. What else belongs to a release stands in its checklist",
		"where can i deploy shop": "shop goes to production, staging",
		"approve shop@v2.0.1":     "nothing of shop@v2.0.1 is held. Did you mean shop@v2.0.0?",
		"reject xyz":              "nothing of xyz is held: only shop@v2.0.0",
		"unlock shop":             "shop is not locked",
		"depoly shop":             "did you mean: deploy APP[/REF] [to ENV[/HOSTS]]",
		"deploys shop":            "there are none",
		"deploy:version":          "autobuilder, which speaks hubot-deploy's grammar too: say help",
	} {
		reply := d.Answer(t.Context(), ada(text))
		assert.Equal(t, answer, reply.Text, text)
		assert.False(t, reply.Public, text)
	}
}

func TestLocking(t *testing.T) {
	t.Parallel()
	w := &work{}
	d := desk(w)
	reply := d.Answer(t.Context(), ada("lock shop the tables move for 2h"))
	assert.True(t, reply.Public)
	assert.Contains(t, reply.Text, "shop is locked by ada: the tables move, until ")
	require.Len(t, w.locks, 1)
	assert.Equal(t, 2*time.Hour, w.locks[0].Until.Sub(w.locks[0].Since))
	assert.Equal(t, "shop is unlocked: what waits goes", d.Answer(t.Context(), ada("unlock shop")).Text)
	d.Answer(t.Context(), ada("deploy:lock shop in staging"))
	assert.Equal(t, "shop-staging", w.locks[0].Project)
}

func TestDeciding(t *testing.T) {
	t.Parallel()
	w := &work{holds: []build.Hold{{
		Build: "b1", Project: "shop", Tag: "v2.0.0", State: build.Waiting, Needed: 2,
		Acts: []build.Act{{Kind: build.ActApprove, By: "ada"}},
	}}}
	d := desk(w)
	assert.Equal(t, "shop v2.0.0: 1 of 2 approvals", d.Answer(t.Context(), ada("approve shop@v2.0.0 go on")).Text)
	w.holds[0].State = build.Released
	assert.Equal(t, "shop v2.0.0 is approved and goes", d.Answer(t.Context(), ada("approve shop@v2.0.0")).Text)
	w.holds[0].State, w.holds[0].Steps = build.Approved, []build.Item{{Text: "tell support"}}
	assert.Equal(t, "shop v2.0.0 is approved, and its checklist begins: tell support", d.Answer(t.Context(), ada("approve shop@v2.0.0")).Text)
	assert.Equal(t, "shop v2.0.0 is rejected", d.Answer(t.Context(), ada("reject shop@v2.0.0 not today")).Text)
	assert.Equal(t, []string{
		"approve shop@v2.0.0 by ada go on", "approve shop@v2.0.0 by ada", "approve shop@v2.0.0 by ada", "reject shop@v2.0.0 by ada not today",
	}, w.decided)
}

func TestLooking(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &work{
		live: build.Live{Project: "shop", Version: "v1.2.0", Commit: "c2", Since: now.Add(-3 * time.Hour), By: "bob"},
		open: []build.Build{{Tag: "v1.3.0", By: "eve", State: build.Running, Started: now.Add(-90 * time.Second)}, {
			Commit: "0123456789abcdef", By: "ada", State: build.Queued, Why: "locked by bob",
		}},
		locks:  []build.Lock{{Project: "shop", By: "bob"}},
		holds:  []build.Hold{{Build: "b1", Project: "shop", Tag: "v2.0.0", State: build.Waiting, Needed: 1, Why: "it is a major release"}},
		builds: []build.Build{{Tag: "v1.2.0", By: "bob", State: build.Succeeded, Created: now.Add(-5 * time.Minute)}, {Command: "x"}},
	}
	d := desk(w)
	assert.Equal(t, `shop: v1.2.0 is live in production since 3 h, by bob
  v1.3.0 by eve is running for 1m30s
  0123456789 by ada is queued: locked by bob
  locked by bob`, d.Answer(t.Context(), bob("status shop")).Text)
	assert.Contains(t, d.Answer(t.Context(), bob("status")).Text, "till: nothing is live yet")
	assert.Equal(t, `1. shop v1.3.0 by eve is running for 1m30s
2. shop 0123456789 by ada is queued: locked by bob
shop@v2.0.0 waits for people (0 of 1): it is a major release. Say: approve shop@v2.0.0`, d.Answer(t.Context(), bob("queue")).Text)
	assert.Equal(t, "bob | v1.2.0 | succeeded | 5 min", d.Answer(t.Context(), bob("deploys shop")).Text)
	assert.Equal(t, chat.Usage(), d.Answer(t.Context(), bob("help")).Text)
	w.open, w.holds = nil, nil
	assert.Equal(t, "nothing waits, nothing is being built", d.Answer(t.Context(), bob("queue")).Text)
}

func TestAnAnswerTellsNoSecret(t *testing.T) {
	t.Parallel()
	d := desk(&work{open: []build.Build{{Tag: "v1", By: "ada", State: build.Queued, Why: "https://hunter2@git.test is away"}}})
	for _, text := range []string{"queue", "status", "deploy hunter2"} {
		answer := d.Answer(t.Context(), ada(text)).Text
		assert.Contains(t, answer, "[secret]")
		assert.NotContains(t, answer, "hunter2")
	}
}

func TestAFaultIsForTheLog(t *testing.T) {
	t.Parallel()
	d := desk(&work{err: errors.New("disk full at /var/lib/secret")})
	assert.Equal(t, "that did not work: autobuilder's log says why", d.Answer(t.Context(), ada("status shop")).Text)
}

func TestTheGateway(t *testing.T) {
	t.Parallel()
	d := desk(&work{})
	for body, want := range map[string]string{
		`{"text":"where can i deploy shop","name":"ada"}`: `{"text":"shop goes to production, staging","public":false}` + "\n",
		`text=help`: "the body is no JSON with text, account, name, room and id: ",
	} {
		w := httptest.NewRecorder()
		d.Gateway(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), "hubot")
		assert.True(t, strings.HasPrefix(w.Body.String(), want), w.Body.String())
	}
}
