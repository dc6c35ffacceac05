package jenkins_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/embedded"
)

func TestContractEmbedded(t *testing.T) {
	for name, options := range map[string]embedded.Options{
		"with crumbs":      {},
		"with a token":     {User: "ci", Token: "secret token"},
		"readable by all":  {User: "ci", Token: "secret", AnonymousRead: true},
		"below a path":     {URL: "/jenkins/ci", User: "ci", Token: "secret"},
		"with no own name": {URL: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contract(t, startEmbedded(t, options))
		})
	}
}

// startEmbedded runs an embedded Jenkins on a port of its own. An URL in the
// options is only a path; "none" leaves the server without one.
func startEmbedded(t *testing.T, o embedded.Options) *server {
	t.Helper()
	address := ownAddress(t)

	o.Dir, o.Grace = t.TempDir(), 2*time.Second
	s := &server{user: o.User, token: o.Token, modern: true}
	switch o.URL {
	case "none":
		s.url, o.URL = "http://"+address, ""
	default:
		s.url = "http://" + address + o.URL
		o.URL = s.url
	}
	var stop func()
	s.up = func(t *testing.T) { stop = serveEmbedded(t, address, o) }
	s.down = func(*testing.T) { stop() }
	s.up(t)
	t.Cleanup(func() { stop() })
	return s
}

// ownAddress is one that nobody else is given, also while nothing listens there.
func ownAddress(t *testing.T) string {
	t.Helper()
	host := fmt.Sprintf("127.7.%d.%d", os.Getpid()%250+1, hosts.Add(1))
	listener, err := net.Listen("tcp", host+":0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

var hosts atomic.Int32

func serveEmbedded(t *testing.T, address string, o embedded.Options) (stop func()) {
	t.Helper()
	jenkins, err := embedded.New(o)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- jenkins.Run(ctx) }()
	web := &http.Server{Handler: jenkins}
	go func() { _ = web.Serve(listener) }()

	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		assert.NoError(t, <-ran)
		assert.NoError(t, web.Close())
		assert.NoError(t, jenkins.Close())
	}
}
