package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"autobuilder/build"
)

// origin is a repository of the storm as GitHub has it: bare, with all its
// commits there from the start, so that a push is but refs that move.
type origin struct {
	name  string // acme/r7
	dir   string
	queue string
	next  string // commit of the branch next; empty: not pushed yet

	chain  []string // of master; a force push leaves it for one commit
	spare  []string // of next
	at     int      // of chain, how many are pushed
	tags   int
	tagged map[string]string // tag → commit
	master string            // where it stands
}

// event is what GitHub tells of a push, or would if all went well.
type event struct {
	id, repo, ref, commit string
	untold                bool // GitHub makes no event of it
	body                  []byte
}

func newOrigin(dir string, n, commits int) (*origin, error) {
	o := &origin{
		name: fmt.Sprintf("acme/r%d", n), dir: filepath.Join(dir, fmt.Sprintf("r%d.git", n)),
		queue: build.QueueNewest, tagged: map[string]string{},
	}
	if n%4 == 0 {
		o.queue = build.QueueEach
	}
	if _, err := o.git(nil, "init", "--quiet", "--bare", "--initial-branch=master", o.dir); err != nil {
		return nil, err
	}
	var err error
	if o.chain, err = o.grow("chain", commits); err == nil {
		o.spare, err = o.grow("spare", commits)
	}
	if err == nil {
		err = o.move(map[string]string{"refs/heads/master": o.chain[0]})
	}
	o.at, o.master = 1, o.chain[0]
	return o, err
}

func (o *origin) git(input []byte, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", filepath.Dir(o.dir)}, args...)...) //nolint:noctx // each takes milliseconds
	if args[0] != "init" {
		cmd.Args = append([]string{"git", "-C", o.dir}, args...)
	}
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@test")
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %v: %w: %s", args, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// grow makes commits one after the other, and names them by a ref that nobody
// is told of.
func (o *origin) grow(name string, commits int) ([]string, error) {
	var stream bytes.Buffer
	for n := range commits {
		message := fmt.Sprintf("%s %s %d", o.name, name, n)
		fmt.Fprintf(&stream, "commit refs/hidden/%s\ncommitter a <a@test> %d +0000\ndata %d\n%s\n", name, 1_700_000_000+n, len(message), message)
	}
	if _, err := o.git(stream.Bytes(), "fast-import", "--quiet"); err != nil {
		return nil, err
	}
	list, err := o.git(nil, "rev-list", "--reverse", "refs/hidden/"+name)
	return strings.Fields(list), err
}

// move is the push itself: all refs or none.
func (o *origin) move(refs map[string]string) error {
	var orders strings.Builder
	for ref, commit := range refs {
		fmt.Fprintf(&orders, "update %s %s\n", ref, commit)
	}
	_, err := o.git([]byte(orders.String()), "update-ref", "--stdin")
	return err
}

// push makes one push of a random kind, and gives what GitHub tells of it.
func (o *origin) push(random *rand.Rand) ([]event, error) {
	refs, untold := o.choose(random)
	if err := o.move(refs); err != nil {
		return nil, err
	}
	events := make([]event, 0, len(refs))
	for ref, commit := range refs { // in any order
		events = append(events, o.event(ref, commit, untold && strings.HasPrefix(ref, "refs/tags/")))
	}
	return events, nil
}

func (o *origin) choose(random *rand.Rand) (refs map[string]string, untold bool) {
	switch kind := random.IntN(100); {
	case kind < 50:
		return o.advance(1, 0), false
	case kind < 78:
		return o.advance(1, 1), false
	case kind < 82:
		return o.advance(5, 5), true // of more than three tags GitHub makes no event
	case kind < 90:
		o.next = o.spare[min(len(o.spare)-1, o.at)]
		return map[string]string{"refs/heads/next": o.next}, false
	case kind < 95 && o.tagged[o.tagName()] != o.master:
		if aside, err := o.aside(); err == nil {
			o.master = aside
			return map[string]string{"refs/heads/master": aside}, false
		}
	}
	return map[string]string{"refs/heads/topic": o.chain[random.IntN(o.at)]}, false
}

func (o *origin) tagName() string { return fmt.Sprintf("v1.0.%d", o.tags) }

// advance moves master on by so many commits, the last of which get tags.
func (o *origin) advance(commits, tags int) map[string]string {
	refs := map[string]string{}
	for n := range commits {
		commit := o.chain[o.at]
		o.at++
		if commits-n <= tags {
			o.tags++
			o.tagged[o.tagName()] = commit
			refs["refs/tags/"+o.tagName()] = commit
		}
		o.master = commit
	}
	refs["refs/heads/master"] = o.master
	return refs
}

// aside is a commit beside master's newest: pushed with force, it takes its place.
func (o *origin) aside() (string, error) {
	return o.git(nil, "commit-tree", "-p", o.chain[max(0, o.at-2)], "-m", fmt.Sprintf("%s aside %d", o.name, o.at), o.chain[0]+"^{tree}")
}

// emptyTree is what all commits of the storm hold.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

func (o *origin) event(ref, commit string, untold bool) event {
	e := event{id: "storm-" + randomID(), repo: o.name, ref: ref, commit: commit, untold: untold}
	e.body, _ = json.Marshal(map[string]any{
		"ref": ref, "before": strings.Repeat("0", 40), "after": commit, "forced": false,
		"repository":  map[string]string{"full_name": o.name, "clone_url": o.dir},
		"head_commit": map[string]string{"id": commit, "tree_id": emptyTree, "message": "a push of the storm"},
		"pusher":      map[string]string{"name": "ada"},
	})
	return e
}
