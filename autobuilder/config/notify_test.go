package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/config"
)

const notified = `github: {secret_env: S}
projects: [{name: shop, repo: acme/shop}]
notify:
`

func TestWhatIsWrongWithNotify(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, wants string }{
		{"a webhook without a name", "  webhooks: [{url: 'http://a.test', secret_env: S}]", "a.yml:4: notify.webhooks[0].name: is missing"},
		{"a webhook without a secret", "  webhooks: [{name: a, url: 'http://a.test'}]", "notify.webhooks[0]: needs secret_env or secret_file"},
		{"a webhook to nowhere", "  webhooks: [{name: a, url: a.test, secret_env: S}]", `"a.test" is no http(s) address`},
		{"a webhook with a password", "  webhooks: [{name: a, url: 'http://a:b@a.test', secret_env: S}]", "holds a user or password"},
		{"two of a name", "  webhooks: [{name: a, url: 'http://a.test', secret_env: S}, {name: A, url: 'http://b.test', secret_env: S}]", "named once"},
		{"an event that there is not", "  webhooks: [{name: a, url: 'http://a.test', secret_env: S, events: [succeded]}]", `"succeded" is no event`},
		{"pagerduty without a key", "  pagerduty: {}", "notify.pagerduty: needs key_env or key_file"},
		{"pagerduty with two keys", "  pagerduty: {key_env: K, key_file: k}", "key_env and key_file are both set"},
		{"github without a token", "  github: {statuses: true}", "notify.github: needs token_env or token_file, here or in github"},
		{"github that shows nothing", "  github: {token_env: T}", "neither statuses nor deployments is set"},
		{"carbon without a port", "  carbon: {address: graphite.test}", "notify.carbon.address"},
		{"graphite without a scheme", "  graphite: {url: graphite.test}", "notify.graphite.url"},
		{"graphite with an event that there is not", "  graphite: {url: 'http://g.test', events: [fialed]}", `notify.graphite.events: "fialed" is no event`},
		{"statsd without an address", "  statsd: {prefix: a}", "notify.statsd.address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("a.yml", []byte(notified+test.text))
			require.ErrorContains(t, err, test.wants)
		})
	}
}

func TestNotifyIsRead(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("/etc/a.yml", []byte(`github: {secret_env: S, token_env: HUB}
projects: [{name: shop, repo: acme/shop, site: 'https://shop.test'}]
notify:
  webhooks: [{name: ops, url: 'https://ops.test/x?y=z', secret_file: ops.secret, events: [failed]}]
  pagerduty: {key_env: PAGER}
  github: {deployments: true}
  carbon: {address: 'g.test:2003'}
  graphite: {url: 'https://g.test', events: [succeeded, withdrawn]}
  statsd: {address: 's.test:8125', prefix: deploys}
`))
	require.NoError(t, err)
	assert.Equal(t, "/etc/ops.secret", c.Notify.Webhooks[0].SecretFile)
	assert.Equal(t, "autobuilder", c.Notify.Carbon.Prefix)
	assert.Equal(t, []build.EventKind{build.EventSucceeded, build.EventWithdrawn}, c.Notify.Graphite.Events)
	assert.Equal(t, "deploys", c.Notify.StatsD.Prefix)
	key, err := c.Notify.PagerDuty.Reveal(strings.ToLower)
	require.NoError(t, err)
	assert.Equal(t, "pager", key.Reveal())
	token, err := c.NotifyToken(strings.ToLower)
	require.NoError(t, err)
	assert.Equal(t, "hub", token.Reveal(), "GitHub's, where there is no other")
	c.Notify.GitHub.TokenEnv = "OWN"
	token, err = c.NotifyToken(strings.ToLower)
	require.NoError(t, err)
	assert.Equal(t, "own", token.Reveal())
	_, err = c.Notify.Webhooks[0].Reveal(os.Getenv)
	require.ErrorContains(t, err, "read notify.webhooks.ops")
}

func TestWhatIsWrongWithChat(t *testing.T) {
	t.Parallel()
	for text, wants := range map[string]string{
		"  slack: {channel: C1}":                                               "notify.slack: needs token_env or token_file",
		"  slack: {token_env: T}":                                              "notify.slack.channel: is missing",
		"  slack: {token_env: T, channel: C1, url: slack}":                     `"slack" is no http(s) address`,
		"  slack: {token_env: T, channel: C1, channels: {till: C2}}":           `there is no project "till"`,
		"  {}\nchat: {slack: {signing_secret_env: A, signing_secret_file: b}}": "signing_secret_env and signing_secret_file are both set",
		"  {}\nchat: {people: {U1: ''}}":                                       "chat.people.U1: has no name",
	} {
		_, err := config.Parse("a.yml", []byte(notified+text))
		require.ErrorContains(t, err, wants, text)
	}
	c, err := config.Parse("/etc/a.yml", []byte(notified+"  {}\nchat: {slack: {signing_secret_file: s}, people: {U1: ada}}"))
	require.NoError(t, err)
	assert.Equal(t, "/etc/s", c.Chat.Slack.SigningSecretFile)
}
