package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"autobuilder/build"
	"autobuilder/config"
)

const least = `github: {secret_env: WEBHOOK_SECRET}
projects:
  - name: shop
    repo: acme/shop
`

func TestTheLeastThatMustBeSaid(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("/etc/autobuilder/autobuilder.yml", []byte(least))
	require.NoError(t, err)
	assert.Equal(t, "/etc/autobuilder/autobuilder.yml", c.Path)
	assert.Equal(t, "127.0.0.1:8080", c.Listen)
	assert.Equal(t, "http://127.0.0.1:8080", c.URL)
	assert.Equal(t, "/etc/autobuilder/data/ledger.db", c.LedgerFile())
	assert.Empty(t, c.Templates)
	assert.Equal(t, 2*time.Second, c.Settle)
	assert.True(t, c.Jenkins.Embedded())
	assert.True(t, c.SyncJobs())
	assert.Equal(t, "http://127.0.0.1:8081", c.JenkinsURL())
	assert.Equal(t, 2, c.Jenkins.Executors)
	p, ok := c.Project("shop")
	require.True(t, ok)
	assert.Equal(t, "https://github.com/acme/shop.git", p.CloneURL)
	_, ok = c.Project("till")
	assert.False(t, ok)
}

func TestAllThatCanBeSaid(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("/etc/autobuilder.yml", []byte(`
listen: :9000
url: https://ci.acme.test
data: /var/lib/autobuilder
templates: jobs
settle: 5s
poll: 500ms
jobs_sync: true
github:
  secret_file: secret
  previous_secret_env: OLD
jenkins:
  url: https://jenkins.acme.test/ci
  user: bot
  token_file: /run/token
projects:
  - name: shop
    repo: acme/shop
    clone_url: git@github.test:acme/shop.git
    job: shop-deploy
    branch: main
    tags: "release-*"
    require_tag: true
    queue: each
    template: go.xml
    env: {APP_ENV: production}
`))
	require.NoError(t, err)
	assert.Equal(t, "https://ci.acme.test", c.URL)
	assert.Equal(t, "/var/lib/autobuilder/ledger.db", c.LedgerFile())
	assert.Equal(t, "/etc/jobs", c.Templates)
	assert.Equal(t, "/etc/secret", c.GitHub.Secret.SecretFile)
	assert.Equal(t, "/run/token", c.Jenkins.TokenFile)
	assert.Equal(t, 500*time.Millisecond, c.Poll)
	assert.False(t, c.Jenkins.Embedded())
	assert.True(t, c.SyncJobs())
	assert.Equal(t, "https://jenkins.acme.test/ci", c.JenkinsURL())
	assert.Equal(t, map[string]string{"APP_ENV": "production"}, c.Projects[0].Env)
	assert.True(t, c.Projects[0].RequireTag)
}

func TestARealJenkinsKeepsItsJobsUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("a.yml", []byte(least+"jenkins: {url: 'http://ci.test'}\n"))
	require.NoError(t, err)
	assert.False(t, c.SyncJobs())
}

func TestTheAddressThatABrowserUses(t *testing.T) {
	t.Parallel()
	for listen, url := range map[string]string{
		"0.0.0.0:80":    "http://127.0.0.1:80",
		":8080":         "http://127.0.0.1:8080",
		"'[::]:8080'":   "http://127.0.0.1:8080",
		"10.0.0.1:8080": "http://10.0.0.1:8080",
		"ci.test:8080":  "http://ci.test:8080",
	} {
		c, err := config.Parse("a.yml", []byte("listen: "+listen+"\n"+least))
		require.NoError(t, err)
		assert.Equal(t, url, c.URL)
	}
}

// full is least with more lines before the projects; the line after github is 2.
func full(lines string) string {
	return "github: {secret_env: S}\n" + lines + "\nprojects: [{name: shop, repo: acme/shop}]\n"
}

func TestWhatIsWrongIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		text string
		want string
	}{
		{"a field of no name", full("lisen: x"), "ci.yml:2: unknown field lisen"},
		{"a field of a project", least + "    tag: v*\n", "ci.yml:5: unknown field tag"},
		{"no YAML", "listen: [\n", "ci.yml:"},
		{"a text for a number", full("jenkins: {executors: many}"), "ci.yml:2: `many` is no number"},
		{"a number for a duration", full("settle: soon"), "ci.yml:2: `soon` is no duration (write for example 5s)"},
		{"a text for a list", "github: {secret_env: S}\nprojects: shop\n", "ci.yml:2: `shop` is no list"},
		{"a field twice", full("listen: :1\nlisten: :2"), "listen"},
		{"an address without a port", full("listen: localhost"), `ci.yml:2: listen: "localhost" is no address: write host:port`},
		{"a port that is none", full("listen: :99999"), "ci.yml:2: listen"},
		{"a URL that is none", full("url: ci.test"), `ci.yml:2: url: "ci.test" is no http(s) address`},
		{"a URL with a password", full("url: http://a:b@ci.test"), "ci.yml:2: url: holds a user or password"},
		{"a negative duration", full("poll: -1s"), "ci.yml:2: poll: -1s is negative"},
		{"the embedded Jenkins at the same address", full("listen: :8081\njenkins: {listen: ':8081'}"), "ci.yml:3: jenkins.listen: :8081 is autobuilder's own address"},
		{"a user of the embedded Jenkins", full("jenkins: {user: bot}"), "ci.yml:2: jenkins.user: is set, but url is not"},
		{"executors of a real Jenkins", full("jenkins: {url: 'http://ci.test', executors: 3}"), "ci.yml:2: jenkins: listen, executors, quiet_period and drain"},
		{"a token without its user", full("jenkins: {url: 'http://ci.test', token_env: T}"), "ci.yml:2: jenkins.user: is missing"},
		{"a user without a token", full("jenkins: {url: 'http://ci.test', user: bot}"), "ci.yml:2: jenkins.user: needs token_env or token_file"},
		{"a token in two places", full("jenkins: {url: 'http://ci.test', user: b, token_env: T, token_file: f}"), "ci.yml:2: jenkins: token_env and token_file are both set"},
		{"no secret", "listen: :1\nprojects: [{name: shop, repo: a/b}]\n", "ci.yml: github: secret_env or secret_file must say"},
		{"a secret in two places", "github: {secret_env: S, secret_file: f}\nprojects: [{name: shop, repo: a/b}]\n", "ci.yml:1: github: secret_env and secret_file are both set"},
		{"a previous secret of nothing", least + "    previous_secret_env: OLD\n", "ci.yml:3: projects[0]: previous_secret is set, but no secret"},
		{"no projects", "github: {secret_env: S}\n", "ci.yml: projects: lists no project"},
		{"an empty file", "", "ci.yml: projects: lists no project"},
		{"a project without a repository", "github: {secret_env: S}\nprojects:\n  - name: shop\n", "ci.yml:3: projects[0].repo"},
		{"a project of the same name", least + "  - name: Shop\n    repo: acme/other\n    job: other\n", "ci.yml:5: projects[1].name: there are two"},
		{"a job of two projects", least + "  - name: till\n    repo: acme/till\n    job: shop\n", "ci.yml:7: projects[1].job: there are two"},
		{"a token of nobody", full("tokens: [{scopes: [read], token_env: T}]"), "ci.yml:2: tokens[0]: needs a name"},
		{"a token of nowhere", full("tokens: [{name: ada, scopes: [read]}]"), "ci.yml:2: tokens[0]: needs a name, and token_env or token_file"},
		{"a token for nothing", full("tokens: [{name: ada, token_env: T}]"), "ci.yml:2: tokens[0].scopes: lists none"},
		{"a token of no scope", full("tokens: [{name: ada, token_env: T, scopes: [admin]}]"), `ci.yml:2: tokens[0].scopes: "admin" is none of read, deploy, approve, trigger and chat`},
		{"two tokens of one name", full("tokens: [{name: ada, token_env: T, scopes: [read]}, {name: Ada, token_env: U, scopes: [read]}]"), "ci.yml:2: tokens[1].name: there are two"},
		{"an app of everybody", full("sign_in: {github: {client_id: i, client_secret_env: S}}"), "ci.yml:2: sign_in.github: needs users or organization"},
		{"an app without a secret", full("sign_in: {github: {client_id: i, users: [ada]}}"), "ci.yml:2: sign_in.github: client_secret_env or client_secret_file must say"},
		{"users of no app", full("sign_in: {github: {users: [ada]}}"), "ci.yml:2: sign_in.github: needs client_id"},
		{"a header that anybody sends", full("sign_in: {proxy: {header: X-Remote-User}}"), "ci.yml:2: sign_in.proxy: needs both header and from"},
		{"a header that is none", full("sign_in: {proxy: {header: 'a b', from: [10.0.0.7]}}"), `ci.yml:2: sign_in.proxy.header: "a b" is no name of a header`},
		{"a proxy at no address", full("sign_in: {proxy: {header: X-Remote-User, from: [proxy.test]}}"), "ci.yml:2: sign_in.proxy.from: "},
		{"a session in the past", full("sign_in: {session: -1h}"), "ci.yml:2: sign_in.session: -1h0m0s is negative"},
		{"a hold of no kind", least + "    hold: {when: minor}\n", `ci.yml:5: projects[0].hold: when "minor" must be major, every or never`},
		{"more approvals than approvers", least + "    hold: {approvers: [ada], approvals: 2}\n", "ci.yml:5: projects[0].hold: 2 approvals are needed, but there are 1 approvers"},
		{"a queue of no kind", least + "    queue: all\n", `ci.yml:5: projects[0].queue: "all" must be newest or each`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("ci.yml", []byte(test.text))
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		})
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("ci.yml", []byte("listen: x\nurl: y\nprojects: [{name: a b, repo: c}]\n"))
	require.Error(t, err)
	assert.Len(t, strings.Split(err.Error(), "\n"), 6, err.Error()) // listen, url, secret, name, repo, job
}

func TestAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(t.TempDir(), "autobuilder.yml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Contains(t, err.Error(), "autobuilder.yml")
}

func TestSecretsComeFromTheEnvironmentOrAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("in a file\n"), 0o600))
	env := map[string]string{"NOW": "in the environment", "EMPTY": ""}
	getenv := func(name string) string { return env[name] }
	tests := []struct {
		name string
		from build.SecretSource
		want []config.Secret
		err  string
	}{
		{"environment", build.SecretSource{SecretEnv: "NOW"}, []config.Secret{"in the environment"}, ""},
		{"file", build.SecretSource{SecretFile: file}, []config.Secret{"in a file"}, ""},
		{"both while it is changed", build.SecretSource{SecretEnv: "NOW", PreviousSecretFile: file}, []config.Secret{"in the environment", "in a file"}, ""},
		{"empty", build.SecretSource{SecretEnv: "EMPTY"}, nil, "read github.secret: the environment variable EMPTY is empty"},
		{"not set", build.SecretSource{SecretEnv: "NOW", PreviousSecretEnv: "NO"}, nil, "read github.previous_secret: the environment variable NO is empty"},
		{"no file", build.SecretSource{SecretFile: file + "x"}, nil, "read github.secret: open "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			keys, err := (&config.Config{GitHub: config.GitHub{Secret: test.from}}).Keys(getenv)
			var got []config.Secret
			for _, key := range keys {
				assert.Empty(t, key.Repo)
				got = append(got, key.Secret)
			}
			assert.Equal(t, test.want, got)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
		})
	}
	token, err := config.Jenkins{TokenFile: file}.Token(getenv)
	require.NoError(t, err)
	assert.Equal(t, "in a file", token.Reveal())
	token, err = config.Jenkins{}.Token(getenv)
	require.NoError(t, err)
	assert.Empty(t, token.Reveal())
}

func TestAProjectMayHaveASecretOfItsOwn(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("/etc/ci.yml", []byte(`
github: {secret_env: ALL}
projects:
  - {name: shop, repo: acme/shop}
  - {name: till, repo: acme/till, secret_env: TILL, previous_secret_env: OLD}
`))
	require.NoError(t, err)
	keys, err := c.Keys(strings.ToLower)
	require.NoError(t, err)
	assert.Equal(t, []config.Key{{Secret: "all"}, {Secret: "till", Repo: "acme/till"}, {Secret: "old", Repo: "acme/till"}}, keys)

	c, err = config.Parse("/etc/ci.yml", []byte("projects: [{name: till, repo: acme/till, secret_file: till.secret}]"))
	require.NoError(t, err, "where each has its own, none for all is needed")
	assert.Equal(t, "/etc/till.secret", c.Projects[0].Secret.SecretFile)
	_, err = c.Keys(os.Getenv)
	require.ErrorContains(t, err, "read projects.till.secret: open /etc/till.secret")
}

func TestASecretShowsNowhere(t *testing.T) {
	t.Parallel()
	secret := config.Secret("hunter2")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "in", struct{ S config.Secret }{secret})
	asJSON, err := json.Marshal(secret)
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(secret)
	require.NoError(t, err)
	all := log.String() + string(asJSON) + string(asYAML) + fmt.Sprintf("%s %v %+v %#v %q", secret, secret, secret, secret, secret)
	assert.NotContains(t, all, "hunter2")
	assert.Contains(t, all, "[secret]")
}

// FuzzParse: a config that is let through has what the rest relies on.
func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte(full("jenkins: {url: 'http://ci.test', user: b, token_env: T}")))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("projects: [{}]\n---\nx: 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("/a.yml", text)
		if err != nil {
			assert.Contains(t, err.Error(), "a.yml")
			return
		}
		assert.NotEmpty(t, c.Projects)
		assert.True(t, c.GitHub.Secret.Given() || c.Projects[0].Secret.Given())
	})
}

func TestHowPeopleSignIn(t *testing.T) {
	t.Parallel()
	c, err := config.Parse("/etc/ci.yml", []byte(full(`sign_in:
  private: true
  github: {client_id: i, client_secret_file: app, organization: acme}
  proxy: {header: X-Remote-User, from: [10.0.0.7, 10.1.2.3/16, '::1']}
`)))
	require.NoError(t, err)
	assert.True(t, c.SignIn.Private)
	assert.Equal(t, 12*time.Hour, c.SignIn.Session)
	assert.Equal(t, "https://github.com", c.SignIn.GitHub.URL)
	assert.Equal(t, "/etc/app", c.SignIn.GitHub.ClientSecretFile)
	networks, err := c.SignIn.Proxy.Networks()
	require.NoError(t, err)
	assert.Equal(t, "[10.0.0.7/32 10.1.0.0/16 ::1/128]", fmt.Sprint(networks))
	c, err = config.Parse("ci.yml", []byte("github: {secret_env: S, api: 'https://git.acme.test/api/v3'}\nprojects: [{name: shop, repo: a/b}]\n"+
		"sign_in: {github: {client_id: i, client_secret_env: S, users: [ada]}}\n"))
	require.NoError(t, err)
	assert.Equal(t, "https://git.acme.test", c.SignIn.GitHub.URL)
}
