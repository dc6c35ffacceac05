// Package stories_test runs deliver as people and Jenkins do: the real program
// against real servers.
package stories_test

import (
	"archive/tar"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"deliver/plan"
	"deliver/sshdtest"
	"deliver/store/storetest"
)

// TestStories runs the scripts of testdata. Each has three servers, h1 h2 h3,
// with a real sshd and a runit that runs the service "dashboard" from
// ~/app/current, and a bucket in a real S3 server.
func TestStories(t *testing.T) {
	t.Parallel()
	bin := sshdtest.Program(t)
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	s3 := storetest.Start(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, s3, name)
			s.env = append(s.env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			s.run(t, file)
		})
	}
}

type story struct {
	fleet *sshdtest.Fleet
	env   []string
}

func newStory(t *testing.T, s3 *storetest.Server, name string) *story {
	t.Helper()
	s := &story{fleet: sshdtest.Start(t, "h1", "h2", "h3")}
	bucket := "story-" + strings.ReplaceAll(name, "_", "-")
	s3.Bucket(t, bucket)
	s.env = append(s3.Environ(), "STORE_URL=s3://"+bucket+"/dashboard", "BUCKET="+s3.File(bucket, ""),
		"HOME="+s.fleet.Home, "SSH_CONFIG="+s.fleet.Config(), "TMPDIR="+t.TempDir(), "USER_NAME=root")
	for _, server := range s.fleet.Servers {
		server.Service(t, "dashboard", "cd app/current && exec ./server")
		s.env = append(s.env, server.Name+"="+server.Home)
	}
	return s
}

func (s *story) run(t *testing.T, file string) {
	testscript.Run(t, testscript.Params{
		Files:               []string{file},
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, pair := range s.env {
				name, value, _ := strings.Cut(pair, "=")
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"release": makeRelease,
			"live":    s.live,
			"exits":   exits,
			"down":    func(_ *testscript.TestScript, _ bool, args []string) { s.fleet.Server(t, args[0]).Stop() },
			"waitfor": waitFor,
			"hostkey": s.hostKey,
			"planned": s.planned,
		},
	})
}

// makeRelease is: release ID [good|bad|unsafe|big|hooks]. It writes ID.tar. A bad
// one has a server that ends at once; hooks write down that they ran.
func makeRelease(ts *testscript.TestScript, _ bool, args []string) {
	kind := "good"
	if len(args) > 1 {
		kind = args[1]
	}
	server := "#!/bin/sh\nexec sleep 600\n"
	if kind == "bad" {
		server = "#!/bin/sh\necho cannot open database >&2\nexit 7\n"
	}
	f, err := os.Create(ts.MkAbs(args[0] + ".tar"))
	ts.Check(err)
	defer f.Close()
	w := tar.NewWriter(f)
	put := func(name, content string) {
		ts.Check(w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), ModTime: time.Unix(1_700_000_000, 0)}))
		_, err := w.Write([]byte(content))
		ts.Check(err)
	}
	put("server", server)
	put("version", args[0]+"\n")
	switch kind {
	case "unsafe":
		put("../x", "out of here")
	case "hooks":
		for _, name := range []string{"pre-switch", "post-restart"} {
			put(".deliver/hooks/"+name, "#!/bin/sh\necho hook .deliver/hooks/"+name+" >>../../log\n")
		}
	case "big":
		noise := make([]byte, 48<<20)
		_, _ = rand.Read(noise)
		put("noise", string(noise))
	}
	ts.Check(w.Close())
}

// live is: live ID|none HOST... It asserts what servers run.
func (s *story) live(ts *testscript.TestScript, _ bool, args []string) {
	for _, server := range s.fleet.Servers {
		if !slices.Contains(args[1:], server.Name) {
			continue
		}
		current, err := os.Readlink(server.Path("app", "current"))
		if args[0] == "none" {
			if !errors.Is(err, os.ErrNotExist) {
				ts.Fatalf("%s runs %s", server.Name, current)
			}
			continue
		}
		ts.Check(err)
		if current != "releases/"+args[0] {
			ts.Fatalf("%s runs %s, not %s", server.Name, current, args[0])
		}
	}
}

// planned is: planned FILE. It asserts that the log of what was run on
// each server has just what the plan in the file says of it.
func (s *story) planned(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	doc, err := plan.Read(f)
	ts.Check(err)
	for _, server := range s.fleet.Servers {
		name := server.Name
		h, ok := doc.Host(name)
		log, err := os.ReadFile(server.Path("app", "log"))
		ts.Check(err)
		if ran := strings.Split(strings.TrimSpace(string(log)), "\n"); !ok || !slices.Equal(loggedBy(h), ran) {
			ts.Fatalf("%s ran %q, and the plan says %q", name, ran, loggedBy(h))
		}
	}
}

// loggedBy are the lines that what is done to a host leaves in its log.
func loggedBy(h plan.Host) []string {
	var lines []string
	for _, do := range h.Does {
		switch do.What {
		case "hook":
			lines = append(lines, "hook "+do.With)
		case "restart", "health":
			lines = append(lines, do.What)
		}
	}
	return lines
}

// exits is: exits CODE COMMAND ARG...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("%s ends with %d, not with %d", strings.Join(args[1:], " "), code, want)
	}
}

// waitFor is: waitfor PATTERN. It waits until a file is there.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if found, _ := filepath.Glob(ts.MkAbs(args[0])); len(found) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("%s does not come", args[0])
		}
	}
}

// hostKey is: hostkey forget|swap HOST.
func (s *story) hostKey(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(s.fleet.KnownHosts())
	ts.Check(err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, args[1]+" ") })
	if args[0] == "forget" {
		lines = slices.Delete(lines, at, at+1)
	} else {
		_, other, _ := strings.Cut(lines[(at+1)%len(lines)], " ")
		lines[at] = args[1] + " " + other
	}
	ts.Check(os.WriteFile(s.fleet.KnownHosts(), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}
