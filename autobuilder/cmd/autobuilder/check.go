package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
	"autobuilder/config"
	"autobuilder/dispatch"
	"autobuilder/promoted"
	"autobuilder/signin"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "say what the configuration means, and try what it names",
		Description: `Nothing is changed, neither here nor in Jenkins. Exits 2 if the configuration is wrong, 1 if something
that it names does not work: an address that is taken, a repository or a Jenkins that does not answer.`,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			if _, err := cfg.Keys(os.Getenv); err != nil {
				return usageError{err}
			}
			return checkAll(c.Context, cfg, &checklist{out: c.App.Writer})
		},
	}
}

// checklist prints line by line what was looked at, and remembers what failed.
type checklist struct {
	out    io.Writer
	failed int
}

func (l *checklist) say(what, format string, args ...any) {
	fmt.Fprintf(l.out, "     %-12s %s\n", what, fmt.Sprintf(format, args...))
}

// try prints the value with ok, or with the error and what to do.
func (l *checklist) try(what, value string, err error) {
	if err != nil {
		l.failed++
		fmt.Fprintf(l.out, "FAIL %-12s %s: %s\n", what, value, err)
		return
	}
	fmt.Fprintf(l.out, "ok   %-12s %s\n", what, value)
}

func checkAll(ctx context.Context, cfg *config.Config, list *checklist) error {
	list.say("config", "%s", cfg.Path)
	list.try("listen", cfg.Listen, freeOrOurs(ctx, cfg.Listen))
	list.say("url", "%s (webhook: %s/webhooks/github)", cfg.URL, strings.TrimRight(cfg.URL, "/"))
	list.try("data", cfg.Data, writable(cfg.Data))
	if cfg.GitHub.Secret.Given() {
		list.say("secret", "%s", secretWords(cfg.GitHub.Secret))
	}
	checkSignIn(cfg, list)
	checkJenkins(ctx, cfg, list)
	checkNotifiers(cfg, list)
	for _, p := range cfg.Projects {
		fmt.Fprintf(list.out, "\nproject %s\n", p.Name)
		checkProject(ctx, cfg, p, list)
	}
	if list.failed > 0 {
		return fmt.Errorf("%d of the checks failed", list.failed)
	}
	return nil
}

// checkSignIn says who may read the page and how people act on it.
func checkSignIn(cfg *config.Config, list *checklist) {
	s := cfg.SignIn
	readers := "everybody who reaches it may read"
	if s.Private {
		readers = "who has signed in may read"
	}
	list.say("page", "%s", readers)
	if g := s.GitHub; g.ClientID != "" {
		_, err := g.Secret(os.Getenv)
		whom := g.Users
		if g.Organization != "" {
			whom = append([]string{"the members of " + g.Organization}, whom...)
		}
		list.try("sign_in", fmt.Sprintf("by %s: %s (callback: %s)", g.URL, strings.Join(whom, ", "), strings.TrimRight(cfg.URL, "/")+signin.CallbackPath), err)
	}
	if s.Proxy.Header != "" {
		list.say("sign_in", "by the header %s of %s", s.Proxy.Header, strings.Join(s.Proxy.From, ", "))
	}
	for _, t := range cfg.Tokens {
		_, err := t.Reveal(os.Getenv)
		list.try("token", fmt.Sprintf("%s: %s", t.Name, scopeWords(t.Scopes)), err)
	}
}

func scopeWords(scopes []build.Scope) string {
	words := make([]string, len(scopes))
	for i, scope := range scopes {
		words[i] = string(scope)
	}
	return strings.Join(words, ", ")
}

func secretWords(g build.SecretSource) string {
	words := "from environment " + g.SecretEnv
	if g.SecretFile != "" {
		words = "from file " + g.SecretFile
	}
	if g.PreviousSecretEnv != "" || g.PreviousSecretFile != "" {
		words += ", and the previous one"
	}
	return words
}

func checkJenkins(ctx context.Context, cfg *config.Config, list *checklist) {
	j := cfg.Jenkins
	if j.Embedded() {
		list.try("jenkins", fmt.Sprintf("embedded, at %s, %d executors", j.Listen, j.Executors), freeOrOurs(ctx, j.Listen))
	} else {
		list.try("jenkins", j.URL+asUser(j.User), pingJenkins(ctx, cfg))
	}
	if cfg.SyncJobs() {
		list.say("jobs", "written to jenkins at start")
		return
	}
	list.say("jobs", "left as they are (autobuilder jobs sync writes them)")
}

func asUser(user string) string {
	if user == "" {
		return " without a user"
	}
	return " as " + user
}

func pingJenkins(ctx context.Context, cfg *config.Config) error {
	client, err := newClient(cfg, cfg.JenkinsURL())
	if err != nil {
		return err
	}
	return client.Ping(ctx)
}

func checkProject(ctx context.Context, cfg *config.Config, p build.Project, list *checklist) {
	list.say("repository", "%s, branch %s, tags %s%s", p.Repo, p.Branch, p.Tags, tagWords(p))
	list.say("queue", "%s", map[string]string{
		build.QueueNewest: "newest: a push supersedes one that still waits",
		build.QueueEach:   "each: every push is built",
	}[p.Queue])
	if p.Secret.Given() {
		list.say("secret", "%s", secretWords(p.Secret))
	}
	list.say("job", "%s", p.Job)
	list.try("template", p.Template, renders(cfg, p))
	checkGitHub(ctx, cfg, p, list)
	checkStore(ctx, p, list)
	refs, err := dispatch.Git{Dir: gitDir(cfg), Timeout: 30 * time.Second}.Refs(ctx, p.CloneURL)
	if err == nil && refs.Heads[p.Branch] == "" {
		err = fmt.Errorf("it has no branch %s", p.Branch)
	}
	list.try("clone_url", p.CloneURL, err)
}

// checkGitHub asks for what GitHub sent of late.
func checkGitHub(ctx context.Context, cfg *config.Config, p build.Project, list *checklist) {
	sent, err := askGitHub(cfg)
	if err == nil && sent == nil {
		return
	}
	if err == nil {
		_, err = sent.Pushes(ctx, p.Repo, time.Now(), func(context.Context, string) (bool, error) { return true, nil })
	}
	list.try("deliveries", "asked of "+cfg.GitHub.API, err)
}

// checkStore asks what was promoted last.
func checkStore(ctx context.Context, p build.Project, list *checklist) {
	if p.Store == "" {
		return
	}
	last, err := promoted.New().Last(ctx, p)
	words := fmt.Sprintf("%s (live: %s %s)", p.Store, last.Release, last.Version)
	if errors.Is(err, build.ErrUnknown) {
		words, err = p.Store+" (nothing was promoted yet)", nil
	}
	list.try("store", words, err)
}

func tagWords(p build.Project) string {
	if p.RequireTag {
		return " (a push without one does not build)"
	}
	return ""
}

// freeOrOurs says whether the address can be listened on, or an autobuilder
// listens there already.
func freeOrOurs(ctx context.Context, address string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return listener.Close()
	}
	if alive(ctx, "http://"+address) {
		return nil
	}
	return err
}

// alive says whether one of ours answers there.
func alive(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	for path, header := range map[string]string{"/healthz": ownHeader, "/api/json": "X-Jenkins"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, http.NoBody)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close() //nolint:errcheck // only its header was wanted
		if response.Header.Get(header) != "" {
			return true
		}
	}
	return false
}

// writable tries it: permissions alone don't tell of a full or read-only disk.
func writable(dir string) error {
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return errors.New("it is no directory")
		}
		if err == nil {
			break
		}
		if !os.IsNotExist(err) || dir == filepath.Dir(dir) {
			return err
		}
		dir = filepath.Dir(dir) // serve makes what is missing
	}
	probe, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
