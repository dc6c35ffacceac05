package notify_test

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
	"autobuilder/notify"
)

func TestGraphiteHasAPointForEachEvent(t *testing.T) {
	t.Parallel()
	carbon := labtest.StartCarbon(t)
	s := newStage(t, map[string]notify.Sink{"carbon": notify.Carbon{Address: carbon.Address, Prefix: "deploys"}})
	s.add("b1", newCommit)
	s.run() // carbon may not be up yet: then it is told later
	s.move("b1", build.Superseded, "")
	s.told()
	events, err := s.book.Events(t.Context(), "", 1)
	require.NoError(t, err)
	carbon.Has("deploys.shop.superseded", events[0].At, events[0].At)
}

// annotated is an event as graphite-web tells of it.
type annotated struct {
	When       int64
	What, Data string
	Tags       []string
}

func TestGraphiteHasAnEventWithWords(t *testing.T) {
	t.Parallel()
	place := labtest.StartCarbon(t).Web()
	lossy := losing(t, place)
	s := newStage(t, map[string]notify.Sink{"graphite": notify.Graphite{
		URL: lossy, Events: []build.EventKind{build.EventQueued, build.EventFailed},
	}})
	s.live()
	s.run()
	s.add("b1", newCommit)
	s.move("b1", build.Running, "")
	s.move("b1", build.Failed, "the tests are red")
	s.told()
	response, err := http.Get(place + "/events/get_data?tags=autobuilder+shop")
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	var all []annotated
	require.NoError(t, json.NewDecoder(response.Body).Decode(&all))
	require.Len(t, all, 2, "one for each event that is wanted, although an answer was lost")
	events, err := s.book.Events(t.Context(), "", 1)
	require.NoError(t, err)
	failed := all[1]
	if failed.What == "shop v1.2.0 waits to be built, pushed by ada" { // of the same second
		failed = all[0]
	}
	assert.Equal(t, "shop v1.2.0 failed in 1 setup after 2m0s, pushed by ada", failed.What)
	assert.ElementsMatch(t, []string{"autobuilder", "failed", "shop", "production"}, failed.Tags)
	assert.Equal(t, events[0].At.Unix(), failed.When)
	assert.Contains(t, failed.Data, "npm: not found")
	assert.Contains(t, failed.Data, "https://ci.test/builds/b1")
}

// losing is another address of a server, from which the first answer to a POST
// is lost.
func losing(t *testing.T, to string) string {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	var posts atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method == http.MethodPost && posts.Add(1) == 1 {
			return http.ErrAbortHandler
		}
		return nil
	}
	return serve(t, proxy)
}
