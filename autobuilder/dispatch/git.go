package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Git asks repositories what their branches and tags are, with the git program.
type Git struct {
	Dir     string        // where histories are kept, one bare repository per project
	Timeout time.Duration // of one command; 0 means 60 s
}

// Refs are the branches and tags of a repository.
type Refs struct {
	Heads map[string]string // branch → commit
	Tags  map[string]string // tag → commit, also where the tag is an object of its own
}

// TagsOf are the tags that point to the commit.
func (r Refs) TagsOf(commit string) []string {
	var tags []string
	for tag, target := range r.Tags {
		if target == commit {
			tags = append(tags, tag)
		}
	}
	return tags
}

// Refs asks the repository at the URL for its branches and tags.
func (g Git) Refs(ctx context.Context, url string) (Refs, error) {
	out, err := g.run(ctx, "ls-remote", "--heads", "--tags", "--", url)
	if err != nil {
		return Refs{}, err
	}
	return parseRefs(out), nil
}

func parseRefs(listing string) Refs {
	refs := Refs{Heads: map[string]string{}, Tags: map[string]string{}}
	for line := range strings.Lines(listing) {
		object, name, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		if head, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			refs.Heads[head] = object
		}
		// "tag^{}" follows "tag", and is the commit that an annotated tag points to.
		if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok {
			refs.Tags[strings.TrimSuffix(tag, "^{}")] = object
		}
	}
	return refs
}

// Contains says whether the commit is in the branch's history.
func (g Git) Contains(ctx context.Context, project, url, branch, commit string) (bool, error) {
	dir := filepath.Join(g.Dir, project+".git")
	if err := g.fetch(ctx, dir, url, branch); err != nil {
		// What is broken here is made anew next time; it holds nothing but a copy.
		return false, errors.Join(err, os.RemoveAll(dir))
	}
	// No transport: a commit that the branch lacks must not be fetched to be compared.
	_, err := g.run(ctx, "-C", dir, "-c", "protocol.allow=never",
		"merge-base", "--is-ancestor", commit, "refs/heads/"+branch)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return false, nil
	}
	return err == nil, err
}

// fetch brings the branch's commits, without the files.
func (g Git) fetch(ctx context.Context, dir, url, branch string) error {
	steps := [][]string{
		{"init", "--quiet", "--bare", "--", dir},
		{"-C", dir, "config", "remote.origin.url", url},
		{
			"-C", dir, "fetch", "--quiet", "--no-tags", "--filter=tree:0", "origin",
			"+refs/heads/" + branch + ":refs/heads/" + branch,
		},
	}
	for _, step := range steps {
		if _, err := g.run(ctx, step...); err != nil {
			return err
		}
	}
	return nil
}

const gitTimeout = 60 * time.Second

func (g Git) run(ctx context.Context, args ...string) (string, error) {
	timeout := g.Timeout
	if timeout == 0 {
		timeout = gitTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out, problem bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	if os.Getenv("GIT_SSH_COMMAND") == "" {
		cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=20")
	}
	cmd.Stdout, cmd.Stderr = &out, &problem
	inOwnGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() == context.DeadlineExceeded {
		return "", fmt.Errorf("git %s: no answer within %s", verb(args), timeout)
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", verb(args), err, oneLine(problem.String()))
	}
	return out.String(), nil
}

// verb is the command among git's arguments.
func verb(args []string) string {
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-C", "-c":
			i++
		default:
			return args[i]
		}
	}
	return ""
}

func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
