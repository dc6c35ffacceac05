package embedded_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func TestUnknownPartsOfAConfigAreNamed(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "<description>before</description>")
	for name, c := range map[string]struct {
		config string
		want   []string
	}{
		"pipeline":             {"<flow-definition/>", []string{"flow-definition", "only freestyle"}},
		"builders":             {project("<builders><hudson.tasks.Maven/><hudson.tasks.Shell/><x.Y/></builders>"), []string{"builders/hudson.tasks.Maven", "builders/x.Y"}},
		"triggers":             {project("<triggers><hudson.triggers.SCMTrigger/></triggers>"), []string{"triggers/hudson.triggers.SCMTrigger"}},
		"publishers":           {project("<publishers><hudson.tasks.Mailer/></publishers>"), []string{"publishers/hudson.tasks.Mailer"}},
		"wrappers":             {project("<buildWrappers><a.B/></buildWrappers>"), []string{"buildWrappers/a.B"}},
		"scm":                  {project(`<scm class="hudson.plugins.git.GitSCM"/>`), []string{"scm hudson.plugins.git.GitSCM"}},
		"properties":           {project("<properties><a.B/></properties>"), []string{"properties/a.B"}},
		"parameters":           {project(parameters("<a.plugin.GitParameterDefinition/>")), []string{"parameterDefinitions/a.plugin.GitParameterDefinition"}},
		"part of a parameter":  {project(parameters("<hudson.model.StringParameterDefinition><name>A</name><x/></hudson.model.StringParameterDefinition>")), []string{"hudson.model.StringParameterDefinition/x"}},
		"part of a shell":      {project("<builders><hudson.tasks.Shell><unstableReturn>3</unstableReturn></hudson.tasks.Shell></builders>"), []string{"hudson.tasks.Shell/unstableReturn"}},
		"a shell switched off": {project("<builders><hudson.tasks.Shell><disabled>true</disabled></hudson.tasks.Shell></builders>"), []string{"hudson.tasks.Shell/disabled"}},
		"discarder":            {project(`<properties><jenkins.model.BuildDiscarderProperty><strategy class="a.B"/></jenkins.model.BuildDiscarderProperty></properties>`), []string{"BuildDiscarderProperty/strategy a.B"}},
		"part of a discarder":  {project("<logRotator><x>1</x></logRotator>"), []string{"logRotator/x"}},
		"a label":              {project("<assignedNode>linux</assignedNode>"), []string{"assignedNode"}},
		"several":              {project("<a>1</a><b><c/></b>"), []string{"a, b/c"}},
		"a number":             {project("<quietPeriod>soon</quietPeriod>"), []string{`quietPeriod: want a number, not "soon"`}},
		"a boolean":            {project("<disabled>perhaps</disabled>"), []string{"disabled: want true or false"}},
		"a parameter's name":   {project(strs("A B")), []string{`parameter name "A B"`}},
		"a file outside":       {project(parameters(fileParameter("../passwd"))), []string{`file parameter "../passwd": want a path below the workspace`}},
		"a run of no job":      {project(parameters(runParameter("R", "", "ALL"))), []string{"run parameter R: want a projectName"}},
		"a run's filter":       {project(parameters(runParameter("R", "made", "GREEN"))), []string{"of the filters ALL"}},
		"no choices":           {project(parameters("<hudson.model.ChoiceParameterDefinition><name>C</name></hudson.model.ChoiceParameterDefinition>")), []string{"C has no choices"}},
		"a variable directory": {project("<customWorkspace>/srv/$A</customWorkspace>"), []string{"customWorkspace with variables"}},
		"two roots":            {"<project/><project/>", []string{"one element"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/createItem?name=new-" + url.QueryEscape(name), "/job/job/config.xml"} {
				answer := f.postXML(t, path, c.config)
				assert.Equal(t, http.StatusBadRequest, answer.code)
				for _, want := range c.want {
					assert.Contains(t, answer.header.Get("X-Error"), want)
				}
			}
			assert.Contains(t, f.get(t, "/job/job/config.xml").body, "before")
			assert.NotContains(t, f.get(t, "/api/json").body, "new-")
		})
	}
}

func project(elements string) string { return "<project>" + elements + "</project>" }

func TestConfigsAsServersWriteThem(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	config, err := os.ReadFile("testdata/jenkins.xml")
	require.NoError(t, err)
	answer := f.postXML(t, "/createItem?name=job", string(config))
	require.Equal(t, http.StatusOK, answer.code, answer.header.Get("X-Error"))
	assert.Equal(t, string(config), f.get(t, "/job/job/config.xml").body, "it is given back as it came")

	build := f.run(t, "job", url.Values{"COMMIT": {"c0ffee"}})
	assert.Equal(t, "SUCCESS", build.Result, f.console(t, "job", 1))
	assert.Contains(t, f.console(t, "job", 1), "c0ffee by choice one")
}

func TestDisablingIsWrittenIntoTheConfig(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "<description>a &amp; b</description>"+shells("true"))
	f.post(t, "/job/job/disable", nil)
	config := f.get(t, "/job/job/config.xml").body
	assert.Contains(t, config, "<disabled>true</disabled>")
	assert.Contains(t, config, "a &amp; b")
	assert.Contains(t, f.get(t, "/job/job/api/json").body, `"buildable":false`)

	f.post(t, "/job/job/enable", nil)
	assert.Contains(t, f.get(t, "/job/job/config.xml").body, "<disabled>false</disabled>")
	assert.Equal(t, "SUCCESS", f.run(t, "job", nil).Result)
}

func TestParameters(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	const kind = "hudson.model."
	f.create(t, "job", parameters(
		"<"+kind+"StringParameterDefinition><name>STR</name><defaultValue>s</defaultValue><trim>true</trim></"+kind+"StringParameterDefinition>"+
			"<"+kind+"TextParameterDefinition><name>TEXT</name><defaultValue>a\nb</defaultValue></"+kind+"TextParameterDefinition>"+
			"<"+kind+"BooleanParameterDefinition><name>BOOL</name></"+kind+"BooleanParameterDefinition>"+
			"<"+kind+`ChoiceParameterDefinition><name>CHOICE</name><choices class="java.util.Arrays$ArrayList"><a class="string-array"><string>x</string><string>y</string></a></choices></`+kind+"ChoiceParameterDefinition>"+
			"<"+kind+"PasswordParameterDefinition><name>PASS</name><defaultValue>p</defaultValue></"+kind+"PasswordParameterDefinition>",
	)+shells("#!/bin/sh\n"+`printf '[%s|%s|%s|%s|%s|%s]\n' "$STR" "$TEXT" "$BOOL" "$CHOICE" "$PASS" "$OTHER"`))

	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"defaults":            {url.Values{}, "[s|a\nb|false|x|p|]"},
		"given":               {url.Values{"STR": {" t "}, "TEXT": {" c "}, "BOOL": {"true"}, "CHOICE": {"y"}, "PASS": {"q"}}, "[t| c |true|y|q|]"},
		"empty":               {url.Values{"STR": {""}, "TEXT": {""}}, "[||false|x|p|]"},
		"what is not defined": {url.Values{"OTHER": {"o"}, "PATH": {"/nowhere"}}, "[s|a\nb|false|x|p|]"},
	} {
		t.Run(name, func(t *testing.T) {
			build := f.run(t, "job", c.form)
			assert.Equal(t, "SUCCESS", build.Result)
			assert.Contains(t, f.console(t, "job", build.Number), c.want)
		})
	}
	for name, form := range map[string]url.Values{
		"no such choice": {"CHOICE": {"z"}}, "no boolean": {"BOOL": {"yes"}}, "a zero byte": {"STR": {"a\x00b"}},
	} {
		answer := f.post(t, "/job/job/buildWithParameters", form)
		assert.Equal(t, http.StatusBadRequest, answer.code, name)
		assert.Contains(t, answer.header.Get("X-Error"), "parameter", name)
	}
	answer := f.post(t, "/job/job/buildWithParameters", url.Values{"PASS": {"hidden-from-all"}})
	require.Equal(t, http.StatusCreated, answer.code)
	last := f.get(t, "/job/job/api/json").body + f.get(t, "/queue/api/json").body
	assert.Contains(t, last, `"name":"PASS"`)
	assert.NotContains(t, last, "hidden-from-all")
}

func FuzzConfig(f *testing.F) {
	seed, err := os.ReadFile("testdata/jenkins.xml")
	require.NoError(f, err)
	f.Add(string(seed))
	f.Add(project(shells("true")))
	f.Add("<?xml version='1.1'?><project><scm/><builders><a/></builders></project>")
	f.Add("<project><properties><hudson.model.ParametersDefinitionProperty/></properties></project>")
	server, err := embedded.New(embedded.Options{Dir: f.TempDir(), Token: "t"})
	require.NoError(f, err)
	send := func(method, path, body string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		req.SetBasicAuth("", "t")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		return w
	}
	f.Fuzz(func(t *testing.T, config string) {
		created := send(http.MethodPost, "/createItem?name=job", config)
		if created.Code != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, created.Code)
			require.NotEmpty(t, created.Header().Get("X-Error"))
			return
		}
		require.Equal(t, config, send(http.MethodGet, "/job/job/config.xml", "").Body.String())
		require.Equal(t, http.StatusOK, send(http.MethodGet, "/job/job/api/json", "").Code)
		require.Equal(t, http.StatusFound, send(http.MethodPost, "/job/job/doDelete", "").Code)
	})
}
