package jenkins_test

import (
	"net/http"
	"testing"

	"github.com/bndr/gojenkins"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

// Other programs that use gojenkins get on with the embedded Jenkins too, as
// far as the library does with any.
func TestEmbeddedServesGojenkins(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, embedded.Options{User: "ci", Token: "secret"})
	ctx := t.Context()
	ci, err := gojenkins.CreateJenkins(&http.Client{}, s.url, "ci", "secret").Init(ctx)
	require.NoError(t, err)
	assert.NotEmpty(t, ci.Version)

	job, err := ci.CreateJob(ctx, string(jobSpec{steps: []string{"echo hello $COMMIT"}}.xml()), "job")
	require.NoError(t, err)
	names, err := ci.GetAllJobNames(ctx)
	require.NoError(t, err)
	require.Len(t, names, 1)
	assert.Equal(t, "job", names[0].Name)
	defined, err := job.GetParameters(ctx)
	require.NoError(t, err)
	assert.Len(t, defined, 5)

	queued, err := ci.BuildJob(ctx, "job", map[string]string{"COMMIT": "c0ffee"})
	require.NoError(t, err)
	require.Positive(t, queued)
	running, err := ci.GetBuildFromQueueID(ctx, job, queued)
	require.NoError(t, err)
	eventually(t, func() bool {
		status, err := running.Poll(ctx)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		return !running.Raw.Building
	})
	assert.Equal(t, "SUCCESS", running.GetResult())
	assert.Contains(t, running.GetConsoleOutput(ctx), "hello c0ffee")
	assert.Len(t, running.GetParameters(), 5)

	require.NoError(t, job.UpdateConfig(ctx, string(jobSpec{steps: []string{"false"}}.xml())))
	queued, err = job.InvokeSimple(ctx, map[string]string{"COMMIT": "c1"})
	require.NoError(t, err)
	failed, err := ci.GetBuildFromQueueID(ctx, job, queued)
	require.NoError(t, err)
	assert.Equal(t, int64(2), failed.GetBuildNumber())
	item, err := ci.GetQueueItem(ctx, queued)
	require.NoError(t, err)
	assert.Equal(t, int64(2), item.Raw.Executable.Number)
	last, err := job.GetLastSuccessfulBuild(ctx)
	require.NoError(t, err)
	assert.Equal(t, int64(1), last.GetBuildNumber())
}
