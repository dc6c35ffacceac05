package soak

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load is clients that ask one page after the other, each on a connection of
// its own, until they are stopped.
type load struct {
	answered, failed atomic.Int64

	mu       sync.Mutex
	failures []string // the first few

	cancel  context.CancelFunc
	clients sync.WaitGroup
}

const (
	clients     = 12
	slowClients = 2 // of them: they ask for a page that takes a while
)

func startLoad(front string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for i := range clients {
		url := front + "/"
		if i < slowClients {
			url += "slow"
		}
		l.clients.Go(func() { l.ask(ctx, url) })
	}
	return l
}

// stop ends the load, and tells how the first failures looked.
func (l *load) stop() []string {
	l.cancel()
	l.clients.Wait()
	return l.failures
}

func (l *load) ask(ctx context.Context, url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		err := get(client, url)
		l.answered.Add(1)
		if err != nil {
			l.note(err)
		}
	}
}

// get asks once. A request that was begun is not cut short by the end of the load.
func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.100s", resp.Status, body)
	}
	return err
}

func (l *load) note(err error) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < 100 {
		l.failures = append(l.failures, time.Now().Format(time.StampMilli)+" "+err.Error())
	}
}
