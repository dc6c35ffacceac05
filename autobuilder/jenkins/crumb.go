package jenkins

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// crumbs keeps the proof that a POST is no forgery, which Jenkins demands of
// those who come without an API token. It is fetched when a request was refused
// for the lack of one: a crumb ends with its session, a restart ends both.
type crumbs struct {
	base string

	mu    sync.Mutex
	field string
	value string
}

func (c *crumbs) add(header http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.field != "" {
		header.Set(c.field, c.value)
	}
}

// renew fetches a crumb and says whether there is one now.
func (c *crumbs) renew(ctx context.Context, get func(context.Context, string) (*http.Response, error)) bool {
	response, err := get(ctx, c.base+"/crumbIssuer/api/json")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var crumb struct {
		Field string `json:"crumbRequestField"`
		Value string `json:"crumb"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, errorPageLimit)).Decode(&crumb)
	if err != nil || response.StatusCode != http.StatusOK || crumb.Field == "" {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.field, c.value = crumb.Field, crumb.Value
	return true
}

func wantsCrumb(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusForbidden &&
		strings.Contains(strings.ToLower(status.reason), "crumb")
}
