package chat_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/chat"
)

func TestWhatIsUnderstood(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want chat.Command
	}{
		{"deploy shop", chat.Command{Verb: chat.Deploy, App: "shop"}},
		{"Deploy  shop/topic", chat.Command{Verb: chat.Deploy, App: "shop", Ref: "topic"}},
		{"deploy shop@v1.2.0", chat.Command{Verb: chat.Deploy, App: "shop", Ref: "v1.2.0"}},
		{"deploy shop/feature/till to staging", chat.Command{Verb: chat.Deploy, App: "shop", Ref: "feature/till", Environment: "staging"}},
		{"rollback shop", chat.Command{Verb: chat.Rollback, App: "shop"}},
		{"roll back shop", chat.Command{Verb: chat.Rollback, App: "shop"}},
		{"rollback shop to v1.1.0", chat.Command{Verb: chat.Rollback, App: "shop", Ref: "v1.1.0"}},
		{"rollback shop v1.1.0", chat.Command{Verb: chat.Rollback, App: "shop", Ref: "v1.1.0"}},
		{"status", chat.Command{Verb: chat.Status}},
		{"status shop", chat.Command{Verb: chat.Status, App: "shop"}},
		{"lock shop", chat.Command{Verb: chat.Lock, App: "shop"}},
		{"lock shop the tables move for 2h", chat.Command{Verb: chat.Lock, App: "shop", Note: "the tables move", For: 2 * time.Hour}},
		{"lock shop for 2 days", chat.Command{Verb: chat.Lock, App: "shop", For: 48 * time.Hour}},
		{"lock shop for 1h30m", chat.Command{Verb: chat.Lock, App: "shop", For: 90 * time.Minute}},
		{"lock shop for ever", chat.Command{Verb: chat.Lock, App: "shop", Note: "for ever"}},
		{"lock shop for 40d", chat.Command{Verb: chat.Lock, App: "shop", Note: "for 40d"}},
		{"unlock shop", chat.Command{Verb: chat.Unlock, App: "shop"}},
		{"approve shop@v2.0.0", chat.Command{Verb: chat.Approve, ID: "shop@v2.0.0"}},
		{"reject 20261123T120000-abc not on a friday", chat.Command{Verb: chat.Reject, ID: "20261123T120000-abc", Note: "not on a friday"}},
		{"queue", chat.Command{Verb: chat.Queue}},
		{"help", chat.Command{Verb: chat.Help}},
		{"help me please", chat.Command{Verb: chat.Help}},
		{"", chat.Command{Verb: chat.Help}},
		// As hubot-deploy's users say it.
		{"deploy hubot/topic to staging/fe1,fe2", chat.Command{Verb: chat.Deploy, App: "hubot", Ref: "topic", Environment: "staging", Hosts: "fe1,fe2"}},
		{"deploy! hubot to staging/web-[1-3,7],db-* 123456", chat.Command{
			Verb: chat.Deploy, App: "hubot", Environment: "staging", Hosts: "web-[1-3,7],db-*", Force: true, Code: "123456",
		}},
		{"deploy:deploy hubot to staging/fe1", chat.Command{Verb: chat.Deploy, App: "hubot", Task: "deploy", Environment: "staging", Hosts: "fe1"}},
		{"deploy hubot on staging", chat.Command{Verb: chat.Deploy, App: "hubot", Environment: "staging"}},
		{"deploy hubot IN staging", chat.Command{Verb: chat.Deploy, App: "hubot", Environment: "staging"}},
		{"deploy! hubot", chat.Command{Verb: chat.Deploy, App: "hubot", Force: true}},
		{"deploy:migrate hubot", chat.Command{Verb: chat.Deploy, App: "hubot", Task: "migrate"}},
		{"deploy:migrate! hubot to staging", chat.Command{Verb: chat.Deploy, App: "hubot", Task: "migrate", Force: true, Environment: "staging"}},
		{"deploy hubot 123456", chat.Command{Verb: chat.Deploy, App: "hubot", Code: "123456"}},
		{
			"deploy hubot to staging ccccccbcgujhingjrdejhgfnuetrgigvejhhgbkckvtr",
			chat.Command{Verb: chat.Deploy, App: "hubot", Environment: "staging", Code: "ccccccbcgujhingjrdejhgfnuetrgigvejhhgbkckvtr"},
		},
		{"deploy hubot to 123456", chat.Command{Verb: chat.Deploy, App: "hubot", Environment: "123456"}},
		{"deploy:lock hubot in staging", chat.Command{Verb: chat.Lock, App: "hubot", Environment: "staging"}},
		{"deploy:unlock hubot", chat.Command{Verb: chat.Unlock, App: "hubot"}},
		{"deploys hubot/topic in staging", chat.Command{Verb: chat.Deploys, App: "hubot", Ref: "topic", Environment: "staging"}},
		{"where can i deploy hubot", chat.Command{Verb: chat.Where, App: "hubot"}},
		{"Where can I deploy Hubot", chat.Command{Verb: chat.Where, App: "Hubot"}},
		{"deploy:version", chat.Command{Verb: chat.Version}},
	}
	for _, test := range tests {
		got, err := chat.Parse(test.text)
		require.NoError(t, err, test.text)
		assert.Equal(t, test.want, got, test.text)
		again, err := chat.Parse(got.String())
		require.NoError(t, err, got.String())
		assert.Equal(t, got, again, "said again as %q", got)
	}
}

func TestWrongWordsGetAUsefulAnswer(t *testing.T) {
	t.Parallel()
	for text, hint := range map[string]string{
		"depoly shop":             "did you mean: deploy APP[/REF] [to ENV[/HOSTS]]",
		"aprove shop":             "did you mean: approve ID",
		"rolback shop":            "did you mean: rollback APP [to VERSION]",
		"make me a sandwich":      "I understand:\ndeploy APP",
		"deploy":                  "say: deploy APP[/REF] [to ENV[/HOSTS]]",
		"deploy shop staging":     "say: deploy APP[/REF] [to ENV[/HOSTS]]",
		"deploy sh*p":             "say: deploy",
		"deploy shop to":          "say: deploy",
		"deploy: shop":            "say: deploy",
		"deploy shop to a/":       "name the servers like this: deploy shop to a/h1,h2 (names, ranges like web-[1-8], patterns like web-*)",
		"deploy shop to a/h1;id":  "name the servers like this",
		"deploy shop to a/$(id)":  "name the servers like this",
		"deploy shop to a/-x":     "name the servers like this",
		"deploy shop to a/h1, h2": "say: deploy",
		"deploys shop to a/h1":    "say: deploys APP",
		"deploy:lock shop in a/b": "say: lock",
		"deploy:lock shop/topic":  "say: lock APP [reason] [for 2h]",
		"rollback":                "say: rollback",
		"rollback shop to":        "say: rollback",
		"where is my app":         "say: where can i deploy APP",
		"lock":                    "say: lock",
		"unlock":                  "say: unlock",
		"approve":                 "say: approve ID",
		"queue shop":              "say: queue",
		"status of shop":          "say: status [APP]",
		"deploys":                 "say: deploys APP",
		strings.Repeat("a", 2000): "too long",
	} {
		_, err := chat.Parse(text)
		var m *chat.Mistake
		require.ErrorAs(t, err, &m, text)
		assert.Contains(t, m.Error(), hint, text)
	}
}

func TestATokenIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, err := chat.Parse("deploy-token:set:github ghp_sentinel")
	require.ErrorContains(t, err, "not told in a room")
	assert.NotContains(t, err.Error(), "sentinel")
}

// FuzzParse: what is understood is understood again in its plainest form.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"deploy a/b to c/d 123456", "deploy:t! a", "lock a b for 2h", "rollback a to b", "where can i deploy a", "deploy:lock a in b",
		"approve a b", "deploys a/b in c", "roll back a b", "lock a for 3 weeks", "deploy a to b/web-[1-3],,c", "deploy a to b/,",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := chat.Parse(text)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		again, err := chat.Parse(c.String())
		require.NoError(t, err, "%q as %q", text, c.String())
		assert.Equal(t, c, again, "%q as %q", text, c.String())
	})
}
