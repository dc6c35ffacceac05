package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// run is a build while it runs.
type run struct {
	job       *job
	record    *record
	spec      spec // as it was when the build began
	executor  int
	workspace string
	env       []string
	abort     context.CancelCauseFunc
}

// newRun gives a build the lowest free executor and a workspace of its own.
func (s *Server) newRun(j *job, rec *record) *run {
	r := &run{job: j, record: rec, spec: j.spec}
	for s.taken(func(other *run) bool { return other.executor == r.executor }) {
		r.executor++
	}
	base := j.spec.workspace
	switch {
	case base == "":
		base = filepath.Join(s.options.Dir, "workspace", j.name)
	case !filepath.IsAbs(base):
		base = filepath.Join(s.options.Dir, base)
	}
	r.workspace = base
	for n := 2; s.taken(func(other *run) bool { return other.workspace == r.workspace }); n++ {
		r.workspace = base + "@" + strconv.Itoa(n)
	}
	r.env = s.environment(r)
	return r
}

func (s *Server) taken(by func(*run) bool) bool {
	for r := range s.running {
		if by(r) {
			return true
		}
	}
	return false
}

// execute is a build from its first line to its last.
func (s *Server) execute(ctx context.Context, r *run) {
	result := failure
	log, err := openLog(r.record)
	if err == nil {
		result = s.perform(ctx, r, log)
		s.killLeftovers(buildTag(r.job.name, r.record.Number), r.record.Number)
		fmt.Fprintf(log, "Finished: %s\n", result)
		err = errors.Join(log.Sync(), log.Close())
	}
	if err != nil {
		s.options.Logger.Error("write console", "job", r.job.name, "build", r.record.Number, "error", err)
	}
	s.finish(r, result)
}

func (s *Server) finish(r *run, result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed()
	r.abort(nil)
	delete(s.running, r)
	var err error
	if r.job.deleted {
		err = s.clearGrave(r.job)
	} else {
		err = errors.Join(r.record.end(result, time.Now()), r.job.rotate(time.Now()))
	}
	if err != nil {
		s.options.Logger.Error("save build", "job", r.job.name, "build", r.record.Number, "error", err)
	}
}

// perform runs the steps in order; the first that fails is the last.
func (s *Server) perform(ctx context.Context, r *run, log *os.File) string {
	fmt.Fprintf(log, "%s\nBuilding in workspace %s\n", r.record.Cause, r.workspace)
	if err := os.MkdirAll(r.workspace, 0o755); err != nil {
		fmt.Fprintf(log, "make workspace: %v\n", err)
		return failure
	}
	if err := r.bring(); err != nil {
		fmt.Fprintln(log, err)
		return failure
	}
	for i, script := range r.spec.steps {
		err := s.step(ctx, r, script, log)
		if ctx.Err() != nil {
			fmt.Fprintf(log, "Build was aborted\n%s\n", abortReason(ctx))
			return aborted
		}
		if err != nil {
			fmt.Fprintf(log, "Build step %d of %d failed: %v\n", i+1, len(r.spec.steps), err)
			return failure
		}
	}
	return success
}

func abortReason(ctx context.Context) string {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause.Error()
	}
	return "The server was stopped"
}

// step runs one script as Jenkins does: by the interpreter of its first line,
// or else by sh with -xe. Its output goes into the file without passing through
// this process, so that nothing of it is lost when this process dies.
func (s *Server) step(ctx context.Context, r *run, script string, log *os.File) error {
	file, err := writeScript(r.record.dir, script)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	args := append(interpreter(script), file)
	fmt.Fprintf(log, "[%s] $ %s\n", filepath.Base(r.workspace), strings.Join(args, " "))
	if err := ctx.Err(); err != nil {
		return err
	}
	// Not CommandContext: that one kills the shell alone and at once.
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // see above
	cmd.Dir, cmd.Env = r.workspace, r.env
	cmd.Stdout, cmd.Stderr = log, log
	return s.await(ctx, cmd, r)
}

func writeScript(dir, script string) (string, error) {
	file, err := os.CreateTemp(dir, "step-*.sh")
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(file, strings.ReplaceAll(script, "\r\n", "\n"))
	return file.Name(), errors.Join(err, file.Close())
}

// interpreter is the command that a script's first line asks for.
func interpreter(script string) []string {
	first, _, _ := strings.Cut(script, "\n")
	if wanted, found := strings.CutPrefix(first, "#!"); found {
		if args := strings.Fields(wanted); len(args) > 0 {
			return args
		}
	}
	return []string{"/bin/sh", "-xe"}
}

func (s *Server) abortAll(j *job) {
	for r := range s.running {
		if r.job == j {
			r.abort(errors.New("The job was deleted")) //nolint:staticcheck,revive // a line of the console
		}
	}
}

func (s *Server) abortBuild(rec *record, who string) {
	for r := range s.running {
		if r.record == rec {
			r.abort(errors.New("Aborted by " + who)) //nolint:staticcheck,revive // a line of the console
		}
	}
}

func buildTag(job string, number int64) string {
	return "jenkins-" + job + "-" + strconv.FormatInt(number, 10)
}

// environment is what Jenkins sets, over what the server was given, and the
// parameters over both.
func (s *Server) environment(r *run) []string {
	number := strconv.FormatInt(r.record.Number, 10)
	env := slices.Concat(s.options.Env, s.options.Extra)
	env = append(env,
		"CI=true",
		"JOB_NAME="+r.job.name, "JOB_BASE_NAME="+r.job.name,
		"BUILD_NUMBER="+number, "BUILD_ID="+number, "BUILD_DISPLAY_NAME=#"+number,
		"BUILD_TAG="+buildTag(r.job.name, r.record.Number),
		"EXECUTOR_NUMBER="+strconv.Itoa(r.executor),
		"NODE_NAME=built-in", "NODE_LABELS=built-in",
		"WORKSPACE="+r.workspace, "WORKSPACE_TMP="+r.workspace+"@tmp",
		"JENKINS_HOME="+s.options.Dir, "HUDSON_HOME="+s.options.Dir,
	)
	if base := s.options.URL; base != "" {
		job := base + jobURL(r.job.name)
		env = append(env, "JENKINS_URL="+base, "HUDSON_URL="+base, "JOB_URL="+job, "BUILD_URL="+job+number+"/")
	}
	for _, p := range r.record.Params {
		if p.Run {
			env = append(env, s.runVariables(p)...)
			continue
		}
		env = append(env, p.Name+"="+p.Value)
	}
	return env
}

// plainEnv is what a build may see of this process's environment: not the
// tokens that autobuilder itself was given in it.
func plainEnv(environ []string) []string {
	names := []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
		"SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(names, name) && !strings.HasPrefix(name, "LC_")
	})
}
