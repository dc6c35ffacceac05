package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"deliver/config"
)

func initCommand(e *environment) *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "write a first .deliver/config, and say what servers need",
		Description: "Writes a commented .deliver/config with what flags and environment say. Never writes over a config " +
			"that is there. Prints the lines of sudoers that let the app's user restart it.",
		Action: func(c *cli.Context) error {
			path := filepath.Join(e.dir, ".deliver", "config")
			if err := refuseExisting(e.dir, path); err != nil {
				return err
			}
			settings, err := e.settings(c.Context)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("init: %w", err)
			}
			if err := renameio.WriteFile(path, []byte(firstConfig(settings)), 0o644); err != nil {
				return fmt.Errorf("init: %w", err)
			}
			return printTo(e.stdout, "Wrote .deliver/config. Next: deliver check\n"+serverNeeds(settings))
		},
	}
}

func refuseExisting(dir, path string) error {
	if info, err := os.Stat(filepath.Join(dir, ".deliver")); err == nil && !info.IsDir() {
		return withCode(exitUsage, errors.New("init: .deliver is a file, and stays as it is"))
	}
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.New("it exists, and stays as it is")
	}
	return withCode(exitUsage, fmt.Errorf("init: .deliver/config: %w", err))
}

// firstConfig is a config with what was given switched on, and the settings
// that most projects need as comments.
func firstConfig(c *config.Config) string {
	var b strings.Builder
	b.WriteString("# How this app is delivered. This file is a bash script: it is run at each\n" +
		"# delivery, so a value can be a command's output. deliver check shows the\n" +
		"# values, deliver help settings all there are.\n")
	for _, name := range []string{"APP", "HOSTS", "APP_USER", "DELIVER_TO", "SUPERVISOR", "PROCFILE", "HEALTH_URL", "ORDER", "BATCH", "KEEP_RELEASES", "SHARED_PATHS", "STORE"} {
		v := c.Value(name)
		fmt.Fprintf(&b, "\n# %s\n", v.Variable.Help)
		if v.Given || name == "APP" {
			fmt.Fprintf(&b, "%s=%s\n", name, quoted(v.Text))
			continue
		}
		fmt.Fprintf(&b, "#%s=%s\n", name, quoted(example(v)))
	}
	b.WriteString("\n# Functions of these names are called on this machine:\n" +
		"#pre_switch() { :; }      # once, before the first server switches\n" +
		"#drain() { :; }           # per server, with its name: out of the balancer\n" +
		"#undrain() { :; }         # per server, with its name: back into it\n")
	return b.String()
}

func example(v config.Value) string {
	if v.Text != "" {
		return v.Text
	}
	examples := map[string]string{
		"HOSTS": "web-1 web-2", "SUPERVISOR": "systemd", "PROCFILE": "Procfile", "HEALTH_URL": "http://localhost:8080/health",
		"ORDER": "rolling", "BATCH": "25%", "SHARED_PATHS": "log", "STORE": "s3://bucket/job",
	}
	return examples[v.Variable.Name]
}

// quoted writes a value as a config holds it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// serverNeeds says what the app's user must be allowed to do on a server.
func serverNeeds(c *config.Config) string {
	service := serviceOf(c.Settings)
	if script := service.Provision(c.AppUser, c.DeliverTo); c.Procfile != "" && script != "" {
		return fmt.Sprintf("\nOn each server, once, as root (unless %s is root):\n\n%s\n", c.AppUser, script)
	}
	lines := service.Sudoers(c.AppUser)
	if len(lines) == 0 {
		if c.Procfile != "" {
			return fmt.Sprintf("Only root may give upstart jobs: let HOSTS be root@NAME. The processes run as %s.\n", c.AppUser)
		}
		return "With SUPERVISOR set, deliver init says what a server's sudoers need.\n"
	}
	return fmt.Sprintf("\nOn each server, /etc/sudoers.d/%s (unless %s is root):\n\n%s\n", c.AppUser, c.AppUser, strings.Join(lines, "\n"))
}
