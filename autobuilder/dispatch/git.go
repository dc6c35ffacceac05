package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"autobuilder/build"
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

func (r Refs) tagNames() []string {
	return slices.Sorted(maps.Keys(r.Tags))
}

// Refs asks the repository at the URL for its branches and tags.
func (g Git) Refs(ctx context.Context, url string) (Refs, error) {
	out, err := g.run(ctx, "ls-remote", "--heads", "--tags", "--", url)
	if err != nil {
		return Refs{}, err
	}
	return ParseRefs(out), nil
}

// ParseRefs reads what git ls-remote prints.
func ParseRefs(listing string) Refs {
	refs := Refs{Heads: map[string]string{}, Tags: map[string]string{}}
	for line := range strings.Lines(listing) {
		object, name, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		if head, ok := strings.CutPrefix(name, "refs/heads/"); ok && head != "" {
			refs.Heads[head] = object
		}
		// "tag^{}" follows "tag", and is the commit that an annotated tag points to.
		name = strings.TrimSuffix(name, "^{}")
		if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok && tag != "" {
			refs.Tags[tag] = object
		}
	}
	return refs
}

// Contains says whether the commit is in the branch's history, as it was last
// fetched.
func (g Git) Contains(ctx context.Context, project, branch, commit string) (bool, error) {
	return g.isAncestor(ctx, project, branch, commit, "refs/heads/"+branch)
}

// isAncestor says whether one commit of the branch came from another, as far as
// was last fetched.
func (g Git) isAncestor(ctx context.Context, project, branch, ancestor, commit string) (bool, error) {
	unlock, err := lock(g.history(project) + ".lock")
	if err != nil {
		return false, err
	}
	defer unlock()
	// No transport: a commit that the branch lacks must not be fetched to be compared.
	_, err = g.run(ctx, "-C", g.history(project), "-c", "protocol.allow=never", "merge-base", "--is-ancestor", ancestor, commit)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		// It is no ancestor, or no commit that is known here, or the history itself is gone.
		_, err = g.run(ctx, "-C", g.history(project), "rev-parse", "--quiet", "--verify", "refs/heads/"+branch)
		return false, err
	}
	return err == nil, err
}

// Newest are the newest commits of the branch, as it was last fetched, each with
// its tree. Most that are asked for are among them.
func (g Git) Newest(ctx context.Context, project, branch string) (map[string]string, error) {
	list, err := g.run(ctx, "-C", g.history(project), "log", "--max-count=1000", "--format=%H %T", "refs/heads/"+branch, "--")
	if err != nil {
		return nil, err
	}
	trees := map[string]string{}
	for line := range strings.Lines(list) {
		commit, tree, _ := strings.Cut(strings.TrimSpace(line), " ")
		trees[commit] = tree
	}
	return trees, nil
}

// errUnknownCommit says that the branch's history lacks a commit.
var errUnknownCommit = errors.New("the branch has no commit")

// File is what a file of the branch holds at a commit; found says whether it is there.
func (g Git) File(ctx context.Context, project build.Project, commit, path string) (text string, found bool, err error) {
	if err := g.Fetch(ctx, project.Name, project.CloneURL, project.Branch); err != nil {
		return "", false, err
	}
	dir := g.history(project.Name)
	entry, err := g.run(ctx, "-C", dir, "ls-tree", commit, "--", path)
	fields := strings.Fields(entry)
	if err != nil || len(fields) < 4 || fields[1] != "blob" {
		return "", false, err
	}
	text, err = g.run(ctx, "-C", dir, "cat-file", "blob", fields[2])
	return text, err == nil, err
}

// Describe is the author of a commit of the branch and, from the second line
// on, its message.
func (g Git) Describe(ctx context.Context, project, url, branch, commit string) (string, error) {
	if err := g.Fetch(ctx, project, url, branch); err != nil {
		return "", err
	}
	text, err := g.run(ctx, "-C", g.history(project), "log", "-1", "--format=%an%n%B", commit, "--")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return "", fmt.Errorf("%w %s", errUnknownCommit, commit)
	}
	return strings.TrimSpace(text), err
}

// Fetch brings the branch's commits, without the files. What is broken is made
// anew next time; it is nothing but a copy.
func (g Git) Fetch(ctx context.Context, project, url, branch string) error {
	dir := g.history(project)
	unlock, err := lock(dir + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if err := g.fetchInto(ctx, dir, url, branch); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	return nil
}

// history is where a project's commits are kept.
func (g Git) history(project string) string {
	return filepath.Join(g.Dir, project+".git")
}

// lock waits until nobody else fetches there: another lane, or `autobuilder
// explain`. Fetching has its deadline, and so has the wait.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("lock history: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock history: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock history: %w", err), file.Close())
	}
	return func() { file.Close() }, nil //nolint:errcheck // nothing was written
}

// rooted makes of the path of a repository on this machine one that holds in any
// directory.
func rooted(url string) string {
	if strings.Contains(url, ":") {
		return url
	}
	if path, err := filepath.Abs(url); err == nil {
		return path
	}
	return url
}

func (g Git) fetchInto(ctx context.Context, dir, url, branch string) error {
	steps := [][]string{
		{"init", "--quiet", "--bare", "--", dir},
		{"-C", dir, "config", "remote.origin.url", rooted(url)},
		{
			"-C", dir, "fetch", "--quiet", "--no-tags", "--filter=tree:0", "origin",
			"+refs/heads/" + branch + ":refs/heads/" + branch,
		},
	}
	if isFrom(dir, url) {
		steps = steps[2:] // each is a process, and somebody waits for a build
	}
	for _, step := range steps {
		if _, err := g.run(ctx, step...); err != nil {
			return err
		}
	}
	return nil
}

// isFrom says whether the directory is a repository that fetches from the URL.
func isFrom(dir, url string) bool {
	config, err := os.ReadFile(filepath.Join(dir, "config"))
	return err == nil && slices.Contains(strings.Split(string(config), "\n"), "\turl = "+url)
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
