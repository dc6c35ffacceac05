package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// hooksDir is where a release has its hooks.
const hooksDir = ".deliver/hooks"

// Hook runs the executable .deliver/hooks/NAME of release id, if there is one.
func (l *Local) Hook(ctx context.Context, name, id string, env map[string]string) (string, error) {
	if err := l.require(id); err != nil {
		return "", err
	}
	if checkID(name) != nil {
		return "", &Error{Kind: KindHook, Message: fmt.Sprintf("%q is no name of a hook", name)}
	}
	there, err := checkHook(filepath.Join(l.releaseDir(id), hooksDir, name))
	if !there || err != nil {
		return "", err
	}
	done, err := l.step(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	work := func() (string, error) { return l.runHook(ctx, name, id, env) }
	if strings.HasSuffix(name, OnceSuffix) {
		return l.once(ctx, Entry{Action: name, Release: id, Previous: env["PREVIOUS"]}, work)
	}
	return work()
}

func (l *Local) runHook(ctx context.Context, name, id string, env map[string]string) (string, error) {
	dir := l.releaseDir(id)
	cmd := newCommand(ctx, dir, filepath.Join(dir, hooksDir, name))
	cmd.Env = l.appEnvironment(id, env)
	output, err := run(ctx, cmd)
	if err != nil {
		err = &Error{
			Kind:    KindHook,
			Message: fmt.Sprintf("hook %s of release %s: %v: %s", name, id, err, lastLines(output, 3)),
		}
	}
	return output, err
}

func checkHook(path string) (there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("hook: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return false, &Error{
			Kind:    KindHook,
			Message: path + " is not executable",
			Hint:    "chmod +x it in the repository and commit that",
		}
	}
	return true, nil
}
