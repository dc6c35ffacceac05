package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Tarball is the built-in strategy; all others are the project's own.
const Tarball = "tarball"

const strategiesDir = ".deliver/strategies"

// Requirements are the settings that a strategy names: the ones it cannot do
// without, and the ones it knows besides.
type Requirements struct {
	Required []string
	Optional []string
}

var strategyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Strategies lists the strategies there are.
func (s *Script) Strategies() []string { return Strategies(s.dir) }

// Strategies lists the strategies of the project in dir: the built-in one
// first, then the files in .deliver/strategies by name.
func Strategies(dir string) []string {
	names := []string{Tarball}
	entries, _ := os.ReadDir(filepath.Join(dir, strategiesDir))
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, strategiesDir, e.Name()))
		readme := strings.HasPrefix(strings.ToLower(e.Name()), "readme")
		if err == nil && info.Mode().IsRegular() && strategyForm.MatchString(e.Name()) && !readme && e.Name() != Tarball {
			names = append(names, e.Name())
		}
	}
	return names
}

// CheckStrategy is the error of a strategy that does not exist.
func (s *Script) CheckStrategy(name string) error {
	known := s.Strategies()
	if slices.Contains(known, name) {
		return nil
	}
	hint := Suggest(name, known)
	if slices.Contains([]string{"ruby", "nodejs", "shared", "generated", "gh-pages", "s3"}, name) {
		hint = "; it was built into the original deliver, and can be a file in " + strategiesDir
	}
	return fmt.Errorf("'%s' strategy does not exist%s; available strategies: %s", name, hint, strings.Join(known, ", "))
}

// Requirements asks a strategy what it needs. A project's strategy adds to the
// arrays REQUIRED_CONFIGS and OPTIONAL_CONFIGS, or replaces them.
func (s *Script) Requirements(ctx context.Context, strategy string) (Requirements, error) {
	if err := s.readStrategy(ctx, strategy); err != nil {
		return Requirements{}, err
	}
	var out, said bytes.Buffer
	err := s.run(ctx, s.strategyFile(strategy), Call{Function: "__deliver_requirements", Stdout: &out, Stderr: &said})
	if err != nil {
		return Requirements{}, fmt.Errorf("%w\n%s", explain(ctx, s.strategyName(strategy), err), strings.TrimSpace(said.String()))
	}
	f := &fields{rest: out.Bytes()}
	needs := Requirements{Required: f.list(), Optional: f.list()}
	if strategy == Tarball {
		needs.Required = append(needs.Required, "HOSTS")
	}
	return needs, f.err
}

// RunStrategy runs a strategy of the project, as begin, run and finish.
func (s *Script) RunStrategy(ctx context.Context, strategy string, call Call) error {
	if err := s.readStrategy(ctx, strategy); err != nil {
		return err
	}
	if strategy == Tarball {
		return errors.New("the tarball strategy is no script")
	}
	call.Function, call.Args = "__deliver_strategy", nil
	return explain(ctx, s.strategyName(strategy), s.run(ctx, s.strategyFile(strategy), call))
}

// readStrategy finds what is wrong with a strategy before any of it is run.
func (s *Script) readStrategy(ctx context.Context, name string) error {
	if err := s.CheckStrategy(name); err != nil || name == Tarball {
		return err
	}
	f, err := readFile(s.strategyFile(name), strategiesDir+"/"+name)
	if err != nil {
		return err
	}
	return evaluation{file: f, dir: s.dir, env: s.env}.checkSyntax(ctx)
}

func (s *Script) strategyFile(strategy string) string {
	if strategy == Tarball {
		return ""
	}
	return filepath.Join(s.dir, strategiesDir, strategy)
}

func (s *Script) strategyName(strategy string) string {
	return fmt.Sprintf("strategy %s (%s/%s)", strategy, strategiesDir, strategy)
}
