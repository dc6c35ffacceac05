package host

import (
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// proof is what could be seen of the process that answers.
type proof struct {
	pid    int
	proven bool
	detail string
}

// prove looks at the processes that hold the port or, where no port is known,
// at the service's own. One that runs from another release is an error; one
// that cannot be seen is not.
func (c *checkup) prove() (proof, error) {
	if c.question != nil && c.question.port() != 0 {
		return c.provePort()
	}
	if c.seen.PID == 0 {
		return proof{detail: "no process to look at"}, nil
	}
	p, err := c.proveAny([]process{process(c.seen.PID)}, fmt.Sprintf("service %s is", c.service.Name))
	if err != nil {
		return p, err
	}
	return p, nil
}

func (c *checkup) provePort() (proof, error) {
	port := c.question.port()
	sockets := listeners(port)
	found := holders(sockets)
	switch {
	case len(found) == 0 && c.checked.Proven:
		return proof{}, &Error{Kind: KindNoAnswer, Message: fmt.Sprintf("port %d is no longer held by pid %d, which answered", port, c.checked.PID)}
	case len(found) == 0:
		return proof{detail: unseen(port, sockets)}, nil
	}
	p, err := c.proveAny(found, fmt.Sprintf("port %d is held by", port))
	if err != nil {
		return p, err
	}
	return p, nil
}

// proveAny says that one of the processes runs from the release and none from another.
func (c *checkup) proveAny(found []process, held string) (proof, *Error) {
	result := proof{pid: int(found[0]), detail: fmt.Sprintf("%s pid %d, which runs from no release", held, found[0])}
	for _, p := range found {
		from := c.releaseOf(p)
		switch {
		case from == "":
		case from != c.id:
			result.pid = int(p)
			return result, c.oldRelease(p, fmt.Sprintf("%s pid %d, which runs from releases/%s", held, p, from))
		case !result.proven || int(p) == c.seen.PID:
			result = proof{pid: int(p), proven: true, detail: fmt.Sprintf("%s pid %d", held, p)}
		}
	}
	return result, nil
}

func (c *checkup) oldRelease(p process, message string) *Error {
	err := &Error{Kind: KindOldRelease, Message: message}
	if int(p) == c.seen.PID || !c.managed {
		err.Hint = fmt.Sprintf("the restart left it as it was, or it is not started from %s", c.local.current())
	} else {
		err.Hint = fmt.Sprintf("a process of an earlier delivery was left behind: stop it on the server (kill %d), then deliver again", p)
	}
	return err
}

// releaseOf is the release that a process, or the nearest one above it, runs
// from; empty when that cannot be seen.
func (c *checkup) releaseOf(p process) string {
	for p > 1 {
		for _, path := range p.places() {
			if id := c.releaseAt(path, p); id != "" {
				return id
			}
		}
		p = p.parent()
	}
	return ""
}

// earlier stands for a release whose id is not known any more.
const earlier = "an earlier one, by its start before the switch"

// releaseAt is the release that path lies in. What goes through `current` was
// what that pointed to when the process started.
func (c *checkup) releaseAt(path string, p process) string {
	for _, root := range c.local.roots() {
		if rest, ok := strings.CutPrefix(path, filepath.Join(root, "releases")+"/"); ok {
			id, _, _ := strings.Cut(rest, "/")
			return id
		}
		current := filepath.Join(root, "current")
		if path == current || strings.HasPrefix(path, current+"/") {
			return c.throughCurrent(p)
		}
	}
	return ""
}

func (c *checkup) throughCurrent(p process) string {
	const fuzzy = 2 * tick // a start is known no better
	start := p.started()
	switch {
	case start.IsZero():
		return ""
	case !start.Before(c.local.since().Add(-fuzzy)):
		return c.id
	case c.managed || c.service.Command != "":
		return earlier
	}
	return "" // nothing was restarted, so an old process may be the right one
}

// roots are the root as it is set and as the kernel names it.
func (l *Local) roots() []string {
	roots := []string{l.root}
	if real, err := filepath.EvalSymlinks(l.root); err == nil && real != l.root {
		roots = append(roots, real)
	}
	return roots
}

// unseen says why nobody is known to hold the port.
func unseen(port int, sockets []listener) string {
	if len(sockets) == 0 {
		return fmt.Sprintf("port %d is not held by a process of this network namespace", port)
	}
	owner := strconv.Itoa(sockets[0].uid)
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return fmt.Sprintf("port %d is held by a process of %s, whom %s cannot look into", port, owner, userName())
}
