package jenkins

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"

	"autobuilder/build"
)

// items remembers the places in the queue that Jenkins told with its answers,
// so that a build is found by one question. What is forgotten, by a restart here
// or there, is looked for by its parameter.
type items struct {
	mu   sync.Mutex
	byID map[string]int64 // AUTOBUILDER_ID → number of the queue item
}

// mostItems bounds the memory: with more than that something is never asked for.
const mostItems = 10_000

var itemPath = regexp.MustCompile(`/queue/item/(\d+)/?$`)

// note takes the place from the answer to a trigger. A Hudson tells none.
func (i *items) note(id string, header http.Header) {
	to, err := url.Parse(header.Get("Location"))
	if err != nil || id == "" {
		return
	}
	found := itemPath.FindStringSubmatch(to.Path)
	if found == nil {
		return
	}
	number, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.byID == nil || len(i.byID) >= mostItems {
		i.byID = map[string]int64{}
	}
	i.byID[id] = number
}

func (i *items) of(id string) (number int64, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	number, ok = i.byID[id]
	return number, ok
}

func (i *items) forget(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.byID, id)
}

// leftItem is a queue item as its own page tells it.
type leftItem struct {
	item
	Cancelled  bool `json:"cancelled"`
	Executable *struct {
		Number int64 `json:"number"`
	} `json:"executable"`
}

const itemTree = "id,why,cancelled,executable[number],task[name],actions[parameters[name,value]]"

// byItem asks the build's own place in the queue; ok is false if that is not
// known, or known no more.
func (c *Client) byItem(ctx context.Context, path, job, id string) (run build.Run, ok bool) {
	number, known := c.items.of(id)
	if !known {
		return build.Run{}, false
	}
	var at leftItem
	_, err := c.getJSON(ctx, "/queue/item/"+strconv.FormatInt(number, 10), itemTree, &at)
	switch {
	case isNotFound(err): // Jenkins forgets an item five minutes after it left
		c.items.forget(id)
		return build.Run{}, false
	case err != nil || at.ID != number || at.Task.Name != job:
		return build.Run{}, false
	case at.Executable != nil:
		return c.byNumber(ctx, path, at.Executable.Number, id)
	case !has(at.Actions, id): // the number is another's by now
		return build.Run{}, false
	case at.Cancelled:
		return build.Run{Result: "ABORTED", Why: "cancelled in jenkins' queue"}, true
	}
	return build.Run{Queued: true, Why: at.Why}, true
}

func (c *Client) byNumber(ctx context.Context, path string, number int64, id string) (run build.Run, ok bool) {
	var r record
	_, err := c.getJSON(ctx, path+"/"+strconv.FormatInt(number, 10), recordTree, &r)
	if err != nil || r.Number != number || !has(r.Actions, id) {
		return build.Run{}, false
	}
	c.items.forget(id)
	return r.run(), true
}
