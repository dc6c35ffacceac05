package notify_test

import (
	"testing"

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
