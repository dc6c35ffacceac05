package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"

	"autobuilder/config"
	"autobuilder/embedded"
	"autobuilder/jenkins"
)

// ci is the Jenkins that builds: one elsewhere, or the embedded one.
type ci struct {
	client   *jenkins.Client
	url      string
	server   *embedded.Server // nil: it is elsewhere
	listener net.Listener
}

// openJenkins makes the way to the Jenkins. own is this autobuilder's address, for
// the builds of the embedded one.
func openJenkins(ctx context.Context, cfg *config.Config, own string, log *slog.Logger) (*ci, error) {
	if cfg.Jenkins.Embedded() {
		return openEmbedded(ctx, cfg, own, log)
	}
	client, err := newClient(cfg, cfg.JenkinsURL())
	return &ci{client: client, url: cfg.JenkinsURL()}, err
}

func openEmbedded(ctx context.Context, cfg *config.Config, own string, log *slog.Logger) (*ci, error) {
	listener, err := listen(ctx, cfg.Jenkins.Listen, "jenkins.listen")
	if err != nil {
		return nil, err
	}
	c := &ci{url: "http://" + listener.Addr().String(), listener: listener}
	token, err := embeddedToken(cfg)
	var deliver string
	if err == nil {
		deliver, err = ownToken(deliverToken(cfg))
	}
	if err == nil {
		c.client, err = newClient(cfg, c.url)
	}
	if err == nil {
		c.server, err = embedded.New(embedded.Options{
			Dir: embeddedDir(cfg), URL: c.url, Executors: cfg.Jenkins.Executors, QuietPeriod: cfg.Jenkins.QuietPeriod,
			Drain: cfg.Jenkins.Drain, Logger: log, User: embeddedUser, Token: token, AnonymousRead: true,
			Extra: []string{"AUTOBUILDER_URL=" + own, "AUTOBUILDER_TOKEN=" + deliver},
		})
	}
	if err != nil {
		listener.Close() //nolint:errcheck // the error before it is the one that counts
		return nil, fmt.Errorf("start embedded jenkins: %w", err)
	}
	return c, nil
}

// newClient speaks to the Jenkins at the URL with the credentials of the config.
func newClient(cfg *config.Config, url string) (*jenkins.Client, error) {
	if cfg.Jenkins.Embedded() {
		token, err := embeddedToken(cfg)
		if err != nil {
			return nil, err
		}
		return jenkins.New(jenkins.Options{URL: url, User: embeddedUser, Token: token})
	}
	token, err := cfg.Jenkins.Token(os.Getenv)
	if err != nil {
		return nil, usageError{err}
	}
	var authorities []byte
	if cfg.Jenkins.CAFile != "" {
		if authorities, err = os.ReadFile(cfg.Jenkins.CAFile); err != nil {
			return nil, usageError{fmt.Errorf("read jenkins.ca_file: %w", err)}
		}
	}
	client, err := jenkins.New(jenkins.Options{URL: url, User: cfg.Jenkins.User, Token: token.Reveal(), Authorities: authorities})
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

const embeddedUser = "autobuilder"

func embeddedDir(cfg *config.Config) string {
	return filepath.Join(cfg.Data, "jenkins")
}

// embeddedToken is made once and kept: other programs on this machine reach the
// embedded Jenkins too, and must not be able to start builds on it.
func embeddedToken(cfg *config.Config) (string, error) {
	return ownToken(filepath.Join(cfg.Data, "jenkins.token"))
}

// ownToken is the token in the file, made where there is none.
func ownToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := rand.Text()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	if err := renameio.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return token, nil
}

// run starts what runs here.
func (c *ci) run(ctx context.Context, all *errgroup.Group) {
	if c.server == nil {
		return
	}
	all.Go(func() error { return c.server.Run(ctx) })
	all.Go(func() error { return serveHTTP(ctx, c.listener, c.server) })
}

func (c *ci) close() {
	if c.server == nil {
		return
	}
	c.server.Close()   //nolint:errcheck // it has ended its builds
	c.listener.Close() //nolint:errcheck // closed already, if it served
}
