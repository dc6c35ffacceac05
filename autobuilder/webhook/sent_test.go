package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/webhook"
	"autobuilder/webhook/githubtest"
)

const hook = "https://ci.test/webhooks/github"

func sent(guid string, age time.Duration, change ...func(*githubtest.Delivery)) githubtest.Delivery {
	d := githubtest.Delivery{GUID: guid, Event: "push", At: time.Now().Add(-age), Status: 202, Payload: []byte(aPush)}
	for _, c := range change {
		c(&d)
	}
	return d
}

func ask(t *testing.T, g *githubtest.GitHub) *webhook.Sent {
	t.Helper()
	s, err := webhook.NewSent(g.URL, githubtest.Token, hook)
	require.NoError(t, err)
	return s
}

// having is a ledger that has these deliveries.
func having(ids ...string) func(context.Context, string) (bool, error) {
	return func(_ context.Context, id string) (bool, error) { return slices.Contains(ids, id), nil }
}

func ids(deliveries []build.Delivery) []string {
	var list []string
	for _, d := range deliveries {
		list = append(list, d.ID)
	}
	return list
}

func TestWhatGitHubCouldNotDeliverIsFetched(t *testing.T) {
	t.Parallel()
	g := githubtest.Start(t, hook)
	g.Sent("repos/acme/shop",
		sent("too-old", 2*time.Hour),
		sent("missed-1", 50*time.Minute, func(d *githubtest.Delivery) { d.Status = 0 }),
		sent("kept", 40*time.Minute),
		sent("no-push", 30*time.Minute, func(d *githubtest.Delivery) { d.Event, d.Payload = "star", []byte(`{}`) }),
		sent("missed-2", 20*time.Minute, func(d *githubtest.Delivery) { d.Status = 500 }),
		sent("missed-2", 10*time.Minute), // sent again by hand
	)
	found, err := ask(t, g).Pushes(t.Context(), "acme/shop", time.Now().Add(-time.Hour), having("kept"))
	require.NoError(t, err)
	assert.Equal(t, []string{"missed-1", "missed-2"}, ids(found), "the oldest first, each once")
	assert.Equal(t, "push", found[0].Event)
	assert.Equal(t, commit, found[0].Push.Commit)
	assert.Equal(t, "ada", found[0].Push.Pusher)
	assert.JSONEq(t, aPush, string(found[0].Body))
	assert.WithinDuration(t, time.Now(), found[0].Received, time.Minute)
}

func TestALongListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	g := githubtest.Start(t, hook)
	var want, have []string
	for n := range 450 {
		id := fmt.Sprint("d-", n)
		g.Sent("repos/acme/shop", sent(id, time.Duration(450-n)*time.Second))
		if n%50 == 3 {
			want = append(want, id)
			continue
		}
		have = append(have, id)
	}
	s := ask(t, g)
	found, err := s.Pushes(t.Context(), "acme/shop", time.Now().Add(-time.Hour), having(have...))
	require.NoError(t, err)
	assert.Equal(t, want, ids(found))
	assert.Equal(t, 5, g.Asked("deliveries"))
	_, err = s.Pushes(t.Context(), "acme/shop", time.Now().Add(-90*time.Second), having(have...))
	require.NoError(t, err)
	assert.Equal(t, 6, g.Asked("deliveries"), "no further back than asked")
	assert.Equal(t, 1, g.Asked("hooks"), "the webhook is looked for once")
}

func TestTheWebhookOfAnOrganisationServesItsRepositories(t *testing.T) {
	t.Parallel()
	g := githubtest.Start(t, hook)
	g.Sent("orgs/acme",
		sent("shop", time.Minute),
		sent("till", time.Minute, func(d *githubtest.Delivery) { d.Payload = []byte(strings.ReplaceAll(aPush, "acme/shop", "acme/till")) }),
	)
	s := ask(t, g)
	for _, repo := range []string{"shop", "till"} {
		found, err := s.Pushes(t.Context(), "acme/"+repo, time.Now().Add(-time.Hour), having())
		require.NoError(t, err)
		assert.Equal(t, []string{repo}, ids(found))
	}
}

func TestWhatStandsBetweenUsAndGitHubsList(t *testing.T) {
	t.Parallel()
	g := githubtest.Start(t, hook)
	since := time.Now().Add(-time.Hour)
	_, err := ask(t, g).Pushes(t.Context(), "acme/shop", since, having())
	require.ErrorContains(t, err, "neither it nor acme has a webhook to "+hook)

	g.Sent("repos/acme/shop", sent("broken", time.Minute, func(d *githubtest.Delivery) { d.Payload = []byte(`{"ref":7}`) }), sent("whole", time.Minute))
	found, err := ask(t, g).Pushes(t.Context(), "acme/shop", since, having())
	require.ErrorContains(t, err, "delivery broken: read push")
	assert.Equal(t, []string{"whole"}, ids(found), "one that cannot be read holds no other up")

	ledger := errors.New("disk is full")
	_, err = ask(t, g).Pushes(t.Context(), "acme/shop", since, func(context.Context, string) (bool, error) { return false, ledger })
	require.ErrorIs(t, err, ledger)

	wrong, err := webhook.NewSent(g.URL, "wrong", hook)
	require.NoError(t, err)
	_, err = wrong.Pushes(t.Context(), "acme/shop", since, having())
	require.ErrorContains(t, err, "github.token is not accepted")
	assert.NotContains(t, err.Error(), "wrong ")

	s := ask(t, g)
	g.Break(true)
	_, err = s.Pushes(t.Context(), "acme/shop", since, having())
	require.ErrorContains(t, err, "502")
	_, err = webhook.NewSent("nowhere", "token", hook)
	require.ErrorContains(t, err, "github.api")
}
