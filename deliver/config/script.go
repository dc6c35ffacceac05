package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"deliver/inventory"
)

// Script is the project's .deliver/config after it was evaluated: the
// functions that it defines can be called with its variables as they were then.
type Script struct {
	name      string // of the file, as errors say it
	dir       string
	env       []string
	snapshot  string
	functions []string
}

func newScript(r *resolver, c *Config) *Script {
	s := &Script{name: ".deliver/config", dir: r.src.Dir, env: r.eval.env}
	if r.file != nil {
		s.name = r.file.shown
	}
	own := libraryFunctions()
	for _, f := range r.told.functions {
		if !slices.Contains(own, f) && !strings.HasPrefix(f, "__deliver_") {
			s.functions = append(s.functions, f)
		}
	}
	slices.Sort(s.functions)
	s.snapshot = r.told.snapshot + "\n" + overrides(c) + talk(r.src)
	return s
}

var functionLine = regexp.MustCompile(`(?m)^(\w+)\(\)`)

// libraryFunctions are those that every config finds defined.
func libraryFunctions() []string {
	var names []string
	for _, m := range functionLine.FindAllStringSubmatch(libraryScript, -1) {
		names = append(names, m[1])
	}
	return names
}

// overrides are the settings as they came out, for a bash in which the config
// has set its own.
func overrides(c *Config) string {
	var b strings.Builder
	for _, v := range c.values {
		if v.Text != "" && !v.Variable.Secret {
			assign(&b, v.Variable.Name, v.Text)
		}
	}
	if len(c.Fleet) > 0 {
		assign(&b, "HOSTS", inventory.Join(c.Hosts))
	}
	assign(&b, "HOSTS_APP_USER", inventory.Join(c.logins()))
	fmt.Fprintf(&b, "__deliver_ssh_options=(%s)\n", strings.Join(sshOptions(c.Settings), " "))
	return b.String()
}

// talk is how much scripts are to say.
func talk(src Source) string {
	var b strings.Builder
	if src.Silent {
		assign(&b, "SILENCE", ">/dev/null")
		assign(&b, "__deliver_silent", "yes")
	}
	if src.Debug {
		assign(&b, "__deliver_debug", "yes")
	}
	return b.String()
}

// sshOptions are what __remote calls ssh with.
func sshOptions(s Settings) []string {
	policy := map[string]string{"strict": "yes", "accept-new": "accept-new"}[s.HostKey]
	seconds := max(1, int(s.SSHTimeout.Seconds()))
	options := []string{"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=" + policy, "-o", "ConnectTimeout=" + strconv.Itoa(seconds)}
	if s.SSHConfig != "" {
		options = append(options, "-F", quote(s.SSHConfig))
	}
	if s.KnownHosts != "" {
		options = append(options, "-o", quote("UserKnownHostsFile="+s.KnownHosts))
	}
	return options
}

func assign(b *strings.Builder, name, value string) {
	fmt.Fprintf(b, "unset -v %s 2>/dev/null; %s=%s\n", name, name, quote(value))
}

// quote writes a word that bash reads as just this text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Functions are the names of the functions that the config defines, sorted.
func (s *Script) Functions() []string { return slices.Clone(s.functions) }

// Has says whether the config defines a function of this name.
func (s *Script) Has(function string) bool { return slices.Contains(s.functions, function) }

// Call is one call of a function of the config.
type Call struct {
	Function string
	Args     []string
	Env      map[string]string // exported to the function; wins over the config's variables
	Stdout   io.Writer
	Stderr   io.Writer
}

// Call runs a function of the config in a bash of its own, on this machine.
// Its exit status decides: any but 0 is an error. When ctx ends, it is
// stopped with all that it started; what it leaves running ends with it.
func (s *Script) Call(ctx context.Context, call Call) error {
	if !s.Has(call.Function) {
		return fmt.Errorf("%s defines no function %s", s.name, call.Function)
	}
	err := s.run(ctx, "", call)
	return explain(ctx, s.name+": "+call.Function, err)
}

// run runs a command line after the config and, if there is one, a strategy's
// file have been read.
func (s *Script) run(ctx context.Context, strategy string, call Call) error {
	state, err := unlinkedFile()
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	if _, err := state.WriteString(s.snapshot + exports(call.Env)); err != nil {
		return err
	}
	if _, err := state.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return bash{
		script: callScript, args: append([]string{strategy, call.Function}, call.Args...),
		dir: s.dir, env: s.env, file: state, stdout: call.Stdout, stderr: call.Stderr,
	}.run(ctx)
}

func exports(env map[string]string) string {
	var b strings.Builder
	for name, value := range env {
		assign(&b, name, value)
		fmt.Fprintf(&b, "export %s\n", name)
	}
	return b.String()
}

// explain says how a script ended.
func explain(ctx context.Context, what string, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return fmt.Errorf("%s: not done in time, so it was stopped: %w", what, err)
	case errors.As(err, &exit):
		return fmt.Errorf("%s failed: %w", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}
