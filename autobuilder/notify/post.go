package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// post sends JSON, and says in the words of Sink what became of it.
func post(ctx context.Context, address string, body []byte, header http.Header) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "autobuilder")
	response, err := exchange(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end, or not wanted
	text, _ := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	return judge(response, strings.TrimSpace(string(text)))
}

// get fetches JSON.
func get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "autobuilder")
	response, err := exchange(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end, or not wanted
	body, err := io.ReadAll(io.LimitReader(response.Body, mostFetched))
	if err == nil {
		err = judge(response, string(body[:min(len(body), mostAnswer)]))
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// mostFetched bounds what is fetched.
const mostFetched = 4 << 20

// mostAnswer is how much of an answer is looked at.
const mostAnswer = 1 << 10

// client follows no redirect: a POST would become a GET, and be lost.
func client() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// exchange sends a request. Its error has no more of the address than the host: a
// path or a query may be what a webhook proves itself with, and errors are shown.
func exchange(request *http.Request) (*http.Response, error) {
	response, err := client().Do(request)
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		return nil, fmt.Errorf("reach %s: %w", request.URL.Host, wrapped.Err)
	}
	return response, err
}

func judge(response *http.Response, text string) error {
	code := response.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	err := fmt.Errorf("%s %s: %s", response.Status, response.Request.URL.Host, text)
	switch {
	case code == http.StatusTooManyRequests:
		return &Later{After: retryAfter(response.Header), Err: err}
	case code == http.StatusRequestTimeout || code >= 500:
		return err
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// retryAfter is how long a place wants to be left alone; a minute if it does not
// say, and never longer than an hour.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		return time.Minute
	}
	return min(time.Duration(seconds)*time.Second, time.Hour)
}
