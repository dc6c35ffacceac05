package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
)

func TestARoomWithHubot(t *testing.T) {
	t.Parallel()
	bot := labtest.Free(t, 1)[0]
	s := newStage(t, `listen: 127.0.0.1:0
jenkins: {listen: 127.0.0.1:0}
tokens: [{name: hubot, scopes: [chat], token_file: token}]
chat: {people: {'1': bob}}
notify: {webhooks: [{name: hubot, url: 'http://`+bot+`/hubot/autobuilder', secret_env: SECRET}]}`)
	s.write("token", "hubot's own token\n")
	s.commit("one")
	v := s.serve()
	h := labtest.StartHubot(t, labtest.HubotOptions{Address: bot, URL: v.url, Token: "hubot's own token", Secret: secret})

	h.Asks("where can i deploy shop", "shop goes to production")
	h.Asks("deploy shpo", "shpo? never heard of it. Did you mean shop?")
	h.Asks("lock shop the tables move for 1h", "shop is locked by bob: the tables move, until ")
	v.tell("d1", "refs/heads/master")
	require.Eventually(t, func() bool {
		all := s.builds()
		return len(all) == 1 && strings.HasPrefix(all[0].Why, "locked by bob")
	}, patient, 20*time.Millisecond, "the build waits")
	h.Asks("unlock shop", "shop is unlocked: what waits goes")
	s.reaches(0, build.Succeeded)
	h.Hears("shop " + s.builds()[0].Commit[:10] + " is out")

	s.git("-C", s.repo, "tag", "v2.0.0")
	s.commit("two")
	s.git("-C", s.repo, "tag", "v3.0.0")
	h.Asks("deploy shop/v3.0.0", "shop: ")
	s.reaches(1, build.Succeeded)
	h.Hears("shop v3.0.0 is out")
	h.Asks("rollback shop", "shop v2.0.0 waits to be built")
	b := s.reaches(2, build.Succeeded)
	require.Equal(t, "bob", b.By)
	require.Equal(t, s.builds()[0].Commit, b.Commit)
	require.NotContains(t, h.Said.String(), "not want that")
	require.NotContains(t, h.Said.String(), "hubot's own token")
}
