package embedded_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func fileParameter(name string) string {
	return "<hudson.model.FileParameterDefinition><name>" + name + "</name><description>d</description></hudson.model.FileParameterDefinition>"
}

func runParameter(name, job, filter string) string {
	return "<hudson.model.RunParameterDefinition><name>" + name + "</name><projectName>" + job + "</projectName><filter>" + filter +
		"</filter></hudson.model.RunParameterDefinition>"
}

// upload sends a form with a file in the field.
func (f *fixture) upload(t *testing.T, path, field, name, content string, more url.Values) reply {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for key, values := range more {
		require.NoError(t, form.WriteField(key, values[0]))
	}
	part, err := form.CreateFormFile(field, name)
	require.NoError(t, err)
	_, err = part.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	return f.send(t, http.MethodPost, path, form.FormDataContentType(), body.String())
}

func itemOf(f *fixture, answer reply) string {
	return answer.header.Get("Location")[len(f.url):] + "api/json"
}

func TestAFileParameterIsCopiedIntoTheWorkspace(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", parameters(fileParameter("INPUT")+
		"<hudson.model.StringParameterDefinition><name>STR</name></hudson.model.StringParameterDefinition>")+
		shells("#!/bin/sh\ncat INPUT; echo; echo \"INPUT=${INPUT-none}\"; echo \"str=$STR\""))
	for name, send := range map[string]func(content string) reply{
		"by the api": func(content string) reply {
			return f.upload(t, "/job/job/buildWithParameters", "INPUT", "mine.json", content, url.Values{"STR": {"s"}})
		},
		"by the page's form": func(content string) reply {
			return f.upload(t, "/job/job/build", "file0", "mine.json", content, url.Values{"json": {
				`{"parameter":[{"name":"INPUT","file":"file0"},{"name":"STR","value":"s"}]}`,
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer := send("content " + name)
			require.Equal(t, http.StatusCreated, answer.code, answer.header.Get("X-Error"))
			build := f.over(t, "job", f.number(t, itemOf(f, answer)))
			console := f.console(t, "job", build.Number)
			assert.Equal(t, "SUCCESS", build.Result, console)
			assert.Contains(t, console, "content "+name+"\nINPUT=mine.json\nstr=s\n")
			assert.Contains(t, f.get(t, buildPath("job", build.Number)+"/api/json").body, "hudson.model.FileParameterValue")
		})
	}
	entries, err := os.ReadDir(filepath.Join(f.dir, "uploads"))
	require.NoError(t, err)
	assert.Empty(t, entries, "the builds have them now")

	build := f.run(t, "job", url.Values{"STR": {"s"}})
	assert.Contains(t, f.console(t, "job", build.Number), "INPUT=none", "one that is not sent is no variable")
}

func TestAFileWaitsWithItsBuild(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	gate := newGate(t)
	f.create(t, "job", parameters(fileParameter("in/file"))+shells("#!/bin/sh\n"+waiting(gate)+"\ncat in/file"))
	first := f.upload(t, "/job/job/buildWithParameters", "in/file", "a", "one", nil)
	eventually(t, func() bool { return exists(gate + ".waits") })
	second := f.upload(t, "/job/job/buildWithParameters", "in/file", "a", "two", nil)
	third := f.upload(t, "/job/job/buildWithParameters", "in/file", "a", "two", nil)
	require.Equal(t, http.StatusCreated, third.code)
	assert.NotEqual(t, second.header.Get("Location"), third.header.Get("Location"), "files are never the same")
	id := filepath.Base(filepath.Clean(third.header.Get("Location")))
	assert.Equal(t, http.StatusNoContent, f.post(t, "/queue/cancelItem", url.Values{"id": {id}}).code)
	entries, err := os.ReadDir(filepath.Join(f.dir, "uploads"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "what was cancelled takes its file along")

	open(t, gate)
	for answer, want := range map[*reply]string{&first: "one", &second: "two"} {
		build := f.over(t, "job", f.number(t, itemOf(f, *answer)))
		assert.Contains(t, f.console(t, "job", build.Number), "\n"+want)
	}
}

// A link that an earlier build left in the workspace leads no file out of it.
func TestAFileStaysInTheWorkspace(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	outside := t.TempDir()
	f.create(t, "job", parameters(fileParameter("out/file"))+shells("#!/bin/sh\nrm -rf out; ln -s '"+outside+"' out"))
	f.run(t, "job", url.Values{})
	answer := f.upload(t, "/job/job/buildWithParameters", "out/file", "a", "content", nil)
	build := f.over(t, "job", f.number(t, itemOf(f, answer)))
	assert.Equal(t, "FAILURE", build.Result)
	assert.Contains(t, f.console(t, "job", build.Number), "copy file parameter out/file into the workspace")
	assert.NoFileExists(t, filepath.Join(outside, "file"))
}

func TestARunParameterNamesABuild(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "made", strs("CODE=0")+shells("exit $CODE"))
	f.create(t, "job", parameters(runParameter("ANY", "made", "ALL")+runParameter("GOOD", "made", "STABLE"))+
		shells("#!/bin/sh\n"+`echo "[$ANY|$ANY_JOBNAME|$ANY_NUMBER|$ANY_NAME|$ANY_RESULT] [$GOOD_NUMBER]"`))
	none := f.run(t, "job", url.Values{})
	assert.Contains(t, f.console(t, "job", none.Number), "[||||] []", "there is no build yet")

	f.run(t, "made", url.Values{})
	f.run(t, "made", url.Values{"CODE": {"1"}})
	for want, form := range map[string]url.Values{
		"[" + f.url + "/job/made/2/|made|2|#2|FAILURE] [1]": {},
		"[" + f.url + "/job/made/1/|made|1|#1|SUCCESS] [2]": {"ANY": {"made#1"}, "GOOD": {"made#2"}},
		"[UNKNOWN|made|77|#77|UNKNOWN] [1]":                 {"ANY": {"made#77"}},
	} {
		build := f.run(t, "job", form)
		assert.Contains(t, f.console(t, "job", build.Number), want)
		assert.Contains(t, f.get(t, buildPath("job", build.Number)+"/api/json").body, `"jobName":"made"`)
	}
	answer := f.post(t, "/job/job/buildWithParameters", url.Values{"ANY": {"made"}})
	assert.Equal(t, http.StatusBadRequest, answer.code)
	assert.Contains(t, answer.header.Get("X-Error"), "want JOB#NUMBER")
}
