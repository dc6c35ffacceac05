package embedded_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func TestManyTriggersAtOnce(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Executors: 4})
	gate := newGate(t)
	f.create(t, "job", "<concurrentBuild>true</concurrentBuild>"+strs("N")+shells("true"))
	f.create(t, "busy", strs("N")+shells(waiting(gate)))
	f.number(t, f.trigger(t, "busy", url.Values{"N": {"0"}}))

	var all sync.WaitGroup
	distinct, same := make([]string, 24), make([]string, 24)
	for i := range distinct {
		all.Go(func() { distinct[i] = f.trigger(t, "job", url.Values{"N": {fmt.Sprint(i)}}) })
		all.Go(func() { same[i] = f.trigger(t, "busy", url.Values{"N": {"same"}}) })
		all.Go(func() { f.get(t, "/api/json"); f.get(t, "/queue/api/json"); f.get(t, "/job/job/api/json") })
	}
	all.Wait()

	numbers := map[int64]bool{}
	for _, item := range distinct {
		number := f.number(t, item)
		assert.Equal(t, "SUCCESS", f.over(t, "job", number).Result)
		numbers[number] = true
	}
	assert.Len(t, numbers, len(distinct), "each trigger is a build of its own")
	for _, item := range same {
		assert.Equal(t, same[0], item, "the same again, while it waits, is the same build")
	}
	open(t, gate)
	assert.Equal(t, int64(2), f.number(t, same[0]))
	f.over(t, "busy", 2)
}

// Readers see what a build writes while it writes, at their own pace.
func TestManyReadersOfOneConsole(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", shells("#!/bin/bash\nfor i in $(seq 2000); do echo line $i; done"))
	number := f.number(t, f.trigger(t, "job", nil))

	var all sync.WaitGroup
	texts := make([]string, 8)
	for i := range texts {
		all.Go(func() {
			offset := "0"
			eventually(t, func() bool {
				answer := f.get(t, buildPath("job", number)+"/logText/progressiveText?start="+offset)
				texts[i] += answer.body
				offset = answer.header.Get("X-Text-Size")
				return answer.header.Get("X-More-Data") == ""
			})
		})
	}
	all.Wait()
	for _, text := range texts {
		assert.Equal(t, f.console(t, "job", number), text)
		assert.Contains(t, text, "line 1999\nline 2000\nFinished: SUCCESS\n")
	}
}

// A disk that takes nothing more: what cannot be kept is not promised.
func TestDiskThatRefuses(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", strs("N")+shells("true"))
	queue := filepath.Join(f.dir, "queue.json")
	require.NoError(t, os.MkdirAll(filepath.Join(queue, "in the way"), 0o755)) // no file can be renamed over it

	answer := f.post(t, "/job/job/buildWithParameters", url.Values{"N": {"1"}})
	assert.Equal(t, http.StatusInternalServerError, answer.code)
	assert.NotEmpty(t, answer.header.Get("X-Error"))
	assert.Contains(t, f.get(t, "/queue/api/json").body, `"items":[]`, "it is not in the queue either")

	require.NoError(t, os.RemoveAll(queue))
	assert.Equal(t, int64(1), f.run(t, "job", url.Values{"N": {"1"}}).Number)
}

func TestDiskThatRefusesABuildIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "")
	builds := f.dir + "/jobs/job/builds"
	require.NoError(t, os.WriteFile(builds, []byte("in the way"), 0o600))
	item := f.trigger(t, "job", nil)
	eventually(t, func() bool {
		var queued struct{ Why string }
		f.decode(t, item, &queued)
		return strings.HasPrefix(queued.Why, "Cannot start: ")
	})
	require.NoError(t, os.Remove(builds))
	assert.Positive(t, f.number(t, item), "without anybody's help")
}

func TestWorkspaceThatCannotBeMade(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "<customWorkspace>/proc/none</customWorkspace>"+shells("true"))
	build := f.run(t, "job", nil)
	assert.Equal(t, "FAILURE", build.Result)
	assert.Contains(t, f.console(t, "job", 1), "make workspace: ")
}

func TestBuildsOfLongAgoAreRemoved(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	f.create(t, "job", "<logRotator><daysToKeep>3</daysToKeep><numToKeep>-1</numToKeep></logRotator>"+strs("OK")+shells("$OK"))
	f.run(t, "job", url.Values{"OK": {"false"}})
	f.run(t, "job", url.Values{"OK": {"false"}})
	f.stop()
	file := f.dir + "/jobs/job/builds/1/build.json"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	today, past := time.Now().Format("2006-01-02T"), time.Now().AddDate(0, 0, -4).Format("2006-01-02T")
	require.Contains(t, string(text), today)
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), today, past)), 0o600))

	after := start(t, embedded.Options{Dir: f.dir})
	require.Equal(t, int64(3), after.run(t, "job", url.Values{"OK": {"true"}}).Number)
	eventually(t, func() bool { return after.get(t, "/job/job/1/api/json").code == 404 })
	assert.Equal(t, 200, after.get(t, "/job/job/2/api/json").code)
}

func TestChangesOfAConfigReachTheNextBuild(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	gate := newGate(t)
	f.create(t, "job", strs("N")+shells(waiting(gate), "#!/bin/sh\necho of the old config"))
	first := f.number(t, f.trigger(t, "job", url.Values{"N": {"1"}}))
	eventually(t, func() bool { return exists(gate + ".waits") })
	second := f.trigger(t, "job", url.Values{"N": {"2"}})
	require.Equal(t, 200, f.postXML(t, "/job/job/config.xml", project(strs("N")+shells("#!/bin/sh\necho of the new config"))).code)
	open(t, gate)
	assert.Equal(t, "SUCCESS", f.over(t, "job", first).Result)
	assert.Contains(t, f.console(t, "job", first), "of the old config")
	f.over(t, "job", f.number(t, second))
	assert.Contains(t, f.console(t, "job", 2), "of the new config")
}

// What is disabled while it waits, waits on.
func TestDisabledWhileQueued(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{})
	gate := newGate(t)
	f.create(t, "job", strs("N")+shells(waiting(gate)))
	f.number(t, f.trigger(t, "job", url.Values{"N": {"1"}}))
	queued := f.trigger(t, "job", url.Values{"N": {"2"}})
	f.post(t, "/job/job/disable", nil)
	open(t, gate)
	f.over(t, "job", 1)
	eventually(t, func() bool {
		var it struct{ Why string }
		f.decode(t, queued, &it)
		return it.Why == "job is disabled"
	})
	f.post(t, "/job/job/enable", nil)
	assert.Equal(t, "SUCCESS", f.over(t, "job", f.number(t, queued)).Result)
}

func TestColours(t *testing.T) {
	t.Parallel()
	f := start(t, embedded.Options{Grace: 100 * time.Millisecond})
	gate := newGate(t)
	f.create(t, "job", strs("DO")+shells("$DO", "if [ \"$DO\" != true ]; then\n"+waiting(gate)+"\nfi"))
	colour := func() string {
		var job struct{ Color string }
		f.decode(t, "/job/job/api/json", &job)
		return job.Color
	}
	assert.Equal(t, "notbuilt", colour())
	f.run(t, "job", url.Values{"DO": {"true"}})
	assert.Equal(t, "blue", colour())
	f.run(t, "job", url.Values{"DO": {"false"}})
	assert.Equal(t, "red", colour())
	number := f.number(t, f.trigger(t, "job", url.Values{"DO": {":"}}))
	assert.Equal(t, "red_anime", colour())
	f.post(t, buildPath("job", number)+"/stop", nil)
	f.over(t, "job", number)
	assert.Equal(t, "aborted", colour())
	f.post(t, "/job/job/disable", nil)
	assert.Equal(t, "disabled", colour())
}
