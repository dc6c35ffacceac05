package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/dispatch"
	"autobuilder/jenkins"
	"autobuilder/notify"
	"autobuilder/slack"
	"autobuilder/watch"
)

// readNotifiers makes those whom the config names, and gives what they prove
// themselves with.
func readNotifiers(cfg *config.Config) (map[string]notify.Sink, []config.Secret, error) {
	n := notifiers{sinks: map[string]notify.Sink{}}
	for _, w := range cfg.Notify.Webhooks {
		secret := n.keep(w.Reveal(os.Getenv))
		n.sinks["webhook "+w.Name] = notify.Webhook{URL: w.URL, Secret: []byte(secret), Events: w.Events}
	}
	if r := cfg.Notify.Slack; r != nil {
		n.sinks["slack"] = slack.NewRoom(r.URL, n.keep(r.Reveal(os.Getenv)), r.Channel, r.Channels)
	}
	if p := cfg.Notify.PagerDuty; p != nil {
		n.sinks["pagerduty"] = notify.PagerDuty{URL: p.URL, Key: n.keep(p.Reveal(os.Getenv))}
	}
	if c := cfg.Notify.Carbon; c != nil {
		n.sinks["carbon"] = notify.Carbon{Address: c.Address, Prefix: c.Prefix}
	}
	if g := cfg.Notify.Graphite; g != nil {
		n.sinks["graphite"] = notify.Graphite{URL: g.URL, Events: g.Events}
	}
	if s := cfg.Notify.StatsD; s != nil {
		n.sinks["statsd"] = notify.StatsD{Address: s.Address, Prefix: s.Prefix}
	}
	if g := cfg.Notify.GitHub; g != nil {
		hub, err := notify.NewGitHub(cfg.GitHub.API, n.keep(cfg.NotifyToken(os.Getenv)), g.Statuses, g.Deployments)
		n.sinks["github"], n.err = hub, errors.Join(n.err, err)
	}
	return n.sinks, n.secrets, n.err
}

// checkNotifiers says who is told, and whether their secrets can be read.
func checkNotifiers(cfg *config.Config, list *checklist) {
	sinks, _, err := readNotifiers(cfg)
	if len(sinks) == 0 && err == nil {
		return
	}
	list.try("tells", strings.Join(slices.Sorted(maps.Keys(sinks)), ", "), err)
}

// notifiers gathers what is made, and what went wrong.
type notifiers struct {
	sinks   map[string]notify.Sink
	secrets []config.Secret
	err     error
}

func (n *notifiers) keep(secret config.Secret, err error) string {
	n.secrets, n.err = append(n.secrets, secret), errors.Join(n.err, err)
	return secret.Reveal()
}

// notify tells people and programs of what happens, until ctx ends.
func (c *conductor) notify(ctx context.Context) error {
	s := c.setup.Load()
	git := dispatch.Git{Dir: gitDir(s.cfg)}
	sinks := maps.Clone(s.sinks)
	if w := c.watcher(); w.Watches() {
		sinks["watch"] = w
	}
	return notify.Run(ctx, notify.Options{
		Outbox: c.ledger, Sinks: sinks, Log: c.log,
		Write: notify.Writer{
			Facts: c.ledger, Projects: s.cfg.Projects, URL: s.cfg.URL, Hub: hub(s.cfg.GitHub.API), Secrets: s.secrets,
			Changes: git.Changes, Console: endOfConsole(c.jenkins), Log: c.log,
		},
	})
}

// watcher looks after what is out.
func (c *conductor) watcher() *watch.Watcher {
	return watch.New(watch.Options{Book: c.ledger, Projects: c.projects(), Wake: c.wake, Log: c.log})
}

// hub is where people look at repositories, by the address of the API.
func hub(api string) string {
	api = strings.TrimRight(api, "/")
	if api == "https://api.github.com" {
		return "https://github.com"
	}
	return strings.TrimSuffix(api, "/api/v3")
}

// mostConsole is how much of a console's end is kept.
const mostConsole = 64 << 10

// endOfConsole reads what a build wrote last, in whole lines.
func endOfConsole(client *jenkins.Client) func(context.Context, build.Build) (string, error) {
	return func(ctx context.Context, b build.Build) (string, error) {
		var end []byte
		var offset int64
		for {
			text, next, more, err := client.Console(ctx, b.Job, b.Number, offset)
			if err != nil {
				return "", err
			}
			if end = append(end, text...); len(end) > mostConsole {
				end = end[len(end)-mostConsole:]
				_, end, _ = bytes.Cut(end, []byte("\n"))
			}
			if next <= offset || !more && len(text) == 0 {
				return string(end), nil
			}
			offset = next
		}
	}
}

// secretName are the names of variables whose values nobody is shown: the
// embedded Jenkins' builds have them too, and may print them.
var secretName = regexp.MustCompile(`(?i)TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|_KEY$`)

// secretsOf are all values that no message shows.
func secretsOf(s *setup, tokens []build.Token, more []config.Secret) []string {
	var all []string
	for _, key := range s.keys {
		all = append(all, string(key.Secret))
	}
	for _, token := range tokens {
		all = append(all, string(token.Secret))
	}
	for _, secret := range more {
		all = append(all, secret.Reveal())
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if secretName.MatchString(name) && !strings.HasSuffix(strings.ToUpper(name), "_FILE") {
			all = append(all, value)
		}
	}
	return all
}

// ownSecrets are what autobuilder shows to Jenkins and to GitHub.
func ownSecrets(cfg *config.Config) ([]config.Secret, error) {
	jenkinsToken, err := cfg.Jenkins.Token(os.Getenv)
	if err == nil && cfg.Jenkins.Embedded() {
		var own string
		own, err = embeddedToken(cfg)
		jenkinsToken = config.Secret(own)
	}
	hubToken, hubErr := cfg.GitHub.Token(os.Getenv)
	app, appErr := cfg.SignIn.GitHub.Secret(os.Getenv)
	signing, signingErr := cfg.Chat.Slack.Secret(os.Getenv)
	return []config.Secret{jenkinsToken, hubToken, app, signing}, errors.Join(err, hubErr, appErr, signingErr)
}
