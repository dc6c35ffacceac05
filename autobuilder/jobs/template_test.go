package jobs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/jobs"
)

func open(t *testing.T, dir string) *jobs.Templates {
	t.Helper()
	templates, err := jobs.Open(dir, "", "http://builder.example/?a=1&b=2")
	require.NoError(t, err)
	return templates
}

// shop is a project whose settings hold all that shells and XML stumble over.
func shop() build.Project {
	return build.Project{
		Name: "shop", Repo: "acme/shop", CloneURL: "git@github.com:acme/shop.git", Branch: "master",
		Env: map[string]string{
			"PLAIN": "x", "QUOTES": `it's "so" \ far`, "MARKUP": "<a href='x'>&amp;</a> ]]>", "DOLLAR": "$HOME `id` $(id)",
			"LINES": "one\ntwo\n\nthree", "EMPTY": "", "UNICODE": "üñ€", "SPACES": "  a\tb  ",
		},
	}
}

func TestRenderedValuesReachTheShellAsTheyAre(t *testing.T) {
	t.Parallel()
	config, err := open(t, "testdata").Render(shop())
	require.NoError(t, err)
	assert.Equal(t, "shop", config.Job)

	script := parse(t, config.XML).FindElement("//hudson.tasks.Shell/command").Text()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "step"), []byte(script), 0o600))
	cmd := exec.Command("/bin/bash", "-e", "step")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))

	written, err := os.ReadFile(filepath.Join(dir, "env.out"))
	require.NoError(t, err)
	got := strings.Split(string(written), "\x00")
	for name, value := range shop().Env {
		assert.Contains(t, got, name+"="+value)
	}
	assert.Contains(t, got, "AUTOBUILDER_URL=http://builder.example/?a=1&b=2")
}

func TestRenderPicksTheTemplate(t *testing.T) {
	t.Parallel()
	for name, template := range map[string]string{
		"by default": "", "by name": "node", "by file name": "node.xml.tmpl", "by path": "testdata/node.xml.tmpl",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := shop()
			p.Template, p.Job = template, "shop-live"
			config, err := open(t, "testdata").Render(p)
			require.NoError(t, err)
			assert.Equal(t, "shop-live", config.Job)
			assert.Contains(t, parse(t, config.XML).FindElement("/project/description").Text(), jobs.Mark)
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("testdata/node.xml.tmpl")
	require.NoError(t, err)
	swap := func(old, with string) string {
		require.Contains(t, string(good), old)
		return strings.Replace(string(good), old, with, 1)
	}
	env := func(name, value string) build.Project {
		return build.Project{Name: "p", Env: map[string]string{name: value}}
	}
	plain := build.Project{Name: "p"}
	for name, c := range map[string]struct {
		template string
		project  build.Project
		want     string
	}{
		"no mark":             {swap("{{.Mark | xml}}", "me"), plain, "description lacks"},
		"no parameter":        {swap("<name>TAG</name>", "<name>TAGS</name>"), plain, "no parameter TAG"},
		"no xml":              {swap("</project>", ""), plain, "not xml"},
		"two roots":           {swap("</project>", "</project><a/>"), plain, "not xml"},
		"text after the root": {string(good) + "x", plain, "not xml"},
		"nothing":             {"", plain, "not xml"},
		"a slip in the file":  {swap("range .Env", "range .Envs") + "{{end}}", plain, "node.xml.tmpl"},
		"an unknown field":    {swap("{{.Name | xml}}", "{{.Nmae | xml}}"), plain, "node.xml.tmpl:3"},
		"an unknown function": {swap("{{.Name | xml}}", "{{.Name | xlm}}"), plain, `"xlm" not defined`},
		"a bad env name":      {string(good), env("A B", "x"), `env "A B"`},
		"a zero byte":         {string(good), env("A", "x\x00"), "zero byte"},
		"a control character": {string(good), env("A", "x\x01"), "xml cannot hold"},
		"no utf-8":            {string(good), env("A", "x\xff"), "xml cannot hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "node.xml.tmpl"), []byte(c.template), 0o600))
			_, err := open(t, dir).Render(c.project)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "project p")
		})
	}
}

func TestAProjectAddsParametersAndSteps(t *testing.T) {
	t.Parallel()
	p := shop()
	p.Parameters = map[string]string{"REGION": `eu "west" <1>`, "DRY": ""}
	p.Steps = []build.Step{
		{After: "setup", Run: "npm test && echo '<ok>'\n"},
		{After: "setup", Run: "echo second >\"$BUILD.seen\""},
		{After: "publish", Run: "./notify"},
	}
	plain, err := open(t, "../../jenkins-jobs").Render(shop())
	require.NoError(t, err)
	config, err := open(t, "../../jenkins-jobs").Render(p)
	require.NoError(t, err)
	root := parse(t, config.XML)
	defaults := map[string]string{}
	for _, el := range root.FindElements("//hudson.model.StringParameterDefinition") {
		defaults[el.SelectElement("name").Text()] = el.SelectElement("defaultValue").Text()
	}
	assert.Equal(t, `eu "west" <1>`, defaults["REGION"])
	assert.Len(t, defaults, 10)
	assert.Contains(t, defaults, "DELIVER_ONLY", "deliver reads it itself")

	scripts := root.FindElements("//hudson.tasks.Shell/command")
	before := parse(t, plain.XML).FindElements("//hudson.tasks.Shell/command")
	require.Len(t, scripts, len(before)+3)
	assert.Equal(t, before[2].Text(), scripts[2].Text(), "setup itself")
	assert.Contains(t, scripts[3].Text(), "npm test && echo '<ok>'\nSTEP")
	assert.Contains(t, scripts[3].Text(), "export QUOTES=", "the environment is the template's")
	assert.Contains(t, scripts[4].Text(), "echo second")
	assert.Contains(t, scripts[8].Text(), "./notify")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "step"), []byte(scripts[4].Text()), 0o600))
	cmd := exec.Command("/bin/sh", "step")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "WORKSPACE="+dir, "JOB_NAME=shop")
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".build"), 0o700))
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	assert.FileExists(t, filepath.Join(dir, ".build", "shop.tar.seen"))
}

func TestStepsThatHaveNoPlace(t *testing.T) {
	t.Parallel()
	for run, c := range map[string]struct {
		step build.Step
		want string
	}{
		"no such place": {build.Step{After: "tests", Run: "true"}, `no step "tests" to put another after: it has checkout, setup, commit-deps, archive, publish, ci-deploy, gc`},
		"its end":       {build.Step{After: "gc", Run: "cat <<STEP\nx\nSTEP\n"}, "holds a line STEP"},
	} {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			p := shop()
			p.Steps = []build.Step{c.step}
			_, err := open(t, "../../jenkins-jobs").Render(p)
			require.ErrorContains(t, err, c.want)
		})
	}
	p := shop()
	p.Parameters = map[string]string{"REGION": "eu"}
	_, err := open(t, "testdata").Render(p)
	require.ErrorContains(t, err, "the job takes no parameter REGION", "a template that has no place for it")
}

func TestRenderNamesTheTemplatesThatThereAre(t *testing.T) {
	t.Parallel()
	_, err := open(t, "testdata").Render(build.Project{Name: "p", Template: "nodd"})
	require.ErrorContains(t, err, "no job template testdata/nodd.xml.tmpl; there are node")
}

func TestRenderAllWantsOneProjectForEachJob(t *testing.T) {
	t.Parallel()
	configs, err := open(t, "testdata").RenderAll([]build.Project{{Name: "b"}, {Name: "a"}})
	require.NoError(t, err)
	require.Len(t, configs, 2)
	assert.Equal(t, "a", configs[0].Job)

	_, err = open(t, "testdata").RenderAll([]build.Project{{Name: "a"}, {Name: "b", Job: "a"}, {Name: "c", Template: "no"}})
	require.ErrorContains(t, err, "projects a and b share it")
	assert.ErrorContains(t, err, "project c: no job template")
}

func TestOpenSearches(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	executable := filepath.Join(root, "bin", "autobuilder")
	_, err := jobs.Open("", executable, "")
	require.ErrorContains(t, err, filepath.Join(root, "jenkins-jobs")+" or "+filepath.Join(root, "share/autobuilder/jenkins-jobs"))
	_, err = jobs.Open(filepath.Join(root, "none"), executable, "")
	require.ErrorContains(t, err, "no directory "+filepath.Join(root, "none"))

	installed := filepath.Join(root, "share/autobuilder/jenkins-jobs")
	for _, dir := range []string{installed, filepath.Join(root, "jenkins-jobs")} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		template, err := os.ReadFile("testdata/node.xml.tmpl")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "node.xml.tmpl"), template, 0o600))
		templates, err := jobs.Open("", executable, "")
		require.NoError(t, err)
		_, err = templates.Render(build.Project{Name: "p"})
		require.NoError(t, err)
	}
}

// The templates that are shipped, with a project of all sorts of settings.
func TestShippedTemplates(t *testing.T) {
	t.Parallel()
	const dir = "../../jenkins-jobs"
	files, err := filepath.Glob(dir + "/*.xml.tmpl")
	require.NoError(t, err)
	sort.Strings(files)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			p := shop()
			p.Template = filepath.Base(file)
			config, err := open(t, dir).Render(p)
			require.NoError(t, err)

			for _, command := range parse(t, config.XML).FindElements("//hudson.tasks.Shell/command") {
				check := exec.Command("/bin/sh", "-n")
				check.Stdin = strings.NewReader(command.Text())
				output, err := check.CombinedOutput()
				assert.NoError(t, err, string(output)+command.Text())
			}
			client := startEmbedded(t)
			require.NoError(t, client.CreateJob(t.Context(), "shop", config.XML), "the embedded Jenkins must know all of it")
			changes, err := jobs.Diff(t.Context(), client, []jobs.Config{config})
			require.NoError(t, err)
			assert.Equal(t, jobs.Keep, changes[0].Action, changes[0].Diff)
		})
	}
}

func FuzzRenderedValues(f *testing.F) {
	for _, value := range shop().Env {
		f.Add(value)
	}
	f.Add("😀")
	f.Add("\xff\x00\x1b]]>")
	templates, err := jobs.Open("testdata", "", "")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, value string) {
		config, err := templates.Render(build.Project{Name: "p", Env: map[string]string{"V": value}})
		if err != nil {
			return
		}
		script := parse(t, config.XML).FindElement("//hudson.tasks.Shell/command").Text()
		quoted := "export V='" + strings.ReplaceAll(value, "'", `'\''`) + "'\n"
		require.Contains(t, script, quoted)
	})
}

func parse(t *testing.T, config []byte) *etree.Document {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromBytes(config))
	return doc
}

// Hudson reads nothing whose XML declaration is not the first thing in it.
func TestTheDeclarationStandsFirst(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"node", "plain"} {
		p := shop()
		p.Template = name
		config, err := open(t, "../../jenkins-jobs").Render(p)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(string(config.XML), "<?xml"), "%s: %.40q", name, config.XML)
	}
}
