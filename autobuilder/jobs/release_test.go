package jobs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

// A release that goes out again, and a command of a checklist, leave all
// else of the job undone.
func TestAJobThatBuildsNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"node", "plain"} {
		for params, want := range map[string]string{
			"RELEASE=jenkins-shop-7":                         "deliver rollback --to jenkins-shop-7\ndeliver unpin\n",
			`RUN=echo "ran it's $COMMIT" >>log; true | true`: "ran it's c1\n",
		} {
			t.Run(name+" "+params, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				script(t, dir, "bin/deliver", `echo "deliver $*" >>log`)
				for _, tool := range []string{"app", "build", "bin/git", "bin/npm"} {
					script(t, dir, tool, `echo "NO: $0 $*" >>log; exit 1`)
				}
				for _, step := range stepsAfterCheckout(t, name) {
					out, err := runStep(t, dir, step, params)
					require.NoError(t, err, out)
				}
				log, err := os.ReadFile(filepath.Join(dir, "log"))
				require.NoError(t, err)
				assert.Equal(t, want, string(log))
			})
		}
		t.Run(name+" with a command that fails", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := runStep(t, dir, stepsAfterCheckout(t, name)[0], "RUN=false; echo too far >log")
			require.Error(t, err)
			assert.NoFileExists(t, filepath.Join(dir, "log"))
		})
	}
}

func stepsAfterCheckout(t *testing.T, template string) []string {
	t.Helper()
	p := build.Project{Name: "shop", Repo: "acme/shop", Template: template, Steps: []build.Step{{After: "publish", Run: "echo NO >>log"}}}
	p.Defaults()
	config, err := open(t, "../../jenkins-jobs").Render(p)
	require.NoError(t, err)
	var steps []string
	for _, el := range parse(t, config.XML).FindElements("//hudson.tasks.Shell/command") {
		steps = append(steps, el.Text())
	}
	return steps[1:]
}

func script(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700))
}

func runStep(t *testing.T, dir, step, param string) (string, error) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "step"), []byte(step), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".bash_profile"), fmt.Appendf(nil, "PATH=%s/bin:$PATH\n", dir), 0o600))
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "step")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "WORKSPACE="+dir, "JOB_NAME=shop", "BUILD_TAG=jenkins-shop-9", "COMMIT=c1", param)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
