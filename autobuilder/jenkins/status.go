package jenkins

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"autobuilder/build"
)

// statusError is an answer that says no.
type statusError struct {
	code   int
	reason string // Jenkins' words, without its page around them
}

func (e *statusError) Error() string {
	if e.reason == "" {
		return fmt.Sprintf("status %d", e.code)
	}
	return fmt.Sprintf("%s (status %d)", e.reason, e.code)
}

// refused says that Jenkins certainly did not do what was asked.
func (e *statusError) refused() bool {
	switch e.code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.code >= 400 && e.code < 500
}

// redirectError is an answer that sends us to another address.
type redirectError struct{ to string }

func (e *redirectError) Error() string {
	return "redirected to " + e.to
}

var errNotJenkins = errors.New("a web page came instead of jenkins' api")

func newStatusError(response *http.Response) *statusError {
	page := discard(response)
	reason := response.Header.Get("X-Error")
	if reason == "" {
		reason = pageReason(string(page))
	}
	return &statusError{code: response.StatusCode, reason: reason}
}

var (
	preformatted = regexp.MustCompile(`(?is)<pre[^>]*>\s*([^<\n]+)`)
	heading      = regexp.MustCompile(`(?is)<h1[^>]*>\s*(?:<[^>]*>\s*)*(Error|Oops!)\s*(?:<[^>]*>\s*)*</h1>\s*<p[^>]*>\s*([^<]+)`)
	title        = regexp.MustCompile(`(?is)<title[^>]*>\s*([^<]+)`)
	statusPrefix = regexp.MustCompile(`^(?i)error (\d+) *`)
)

// pageReason finds the sentence that matters in an error page of Jenkins or of
// the servlet container below it.
func pageReason(page string) string {
	reason := ""
	if m := heading.FindStringSubmatch(page); m != nil {
		reason = m[2]
	} else if m := preformatted.FindAllStringSubmatch(page, 2); m != nil {
		reason = m[len(m)-1][1] // of two, the second is the cause
	} else if m := title.FindStringSubmatch(page); m != nil {
		reason = statusPrefix.ReplaceAllString(m[1], "")
	}
	reason = strings.Join(strings.Fields(html.UnescapeString(reason)), " ")
	if len(reason) > 300 {
		reason = strings.ToValidUTF8(reason[:300], "") + "…"
	}
	return reason
}

// explain says in the user's words what stands between them and Jenkins.
func (c *Client) explain(err error) error {
	var status *statusError
	var redirect *redirectError
	switch {
	case errors.As(err, &status):
		return c.explainStatus(status)
	case errors.As(err, &redirect):
		return fmt.Errorf("%s redirects to %s: set jenkins.url to the address that jenkins really has", c.options.URL, redirect.to)
	case errors.Is(err, errTooLong):
		return fmt.Errorf("read answer of %s: %w", c.options.URL, errTooLong)
	case isNotJenkins(err):
		return fmt.Errorf("%s does not answer like a jenkins: is jenkins.url right?", c.options.URL)
	}
	return c.explainNetwork(err)
}

func isNotJenkins(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.Is(err, errNotJenkins) || errors.As(err, &syntax) || errors.As(err, &kind)
}

func (c *Client) explainStatus(s *statusError) error {
	switch {
	case wantsCrumb(s):
		return fmt.Errorf("%w: %s gives no crumb that it takes (403): use an api token, which needs none", build.ErrRefused, c.options.URL)
	case s.code == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s does not accept user %s with this token (401)", build.ErrRefused, c.options.URL, c.who())
	case s.code == http.StatusForbidden && c.options.User == "":
		return fmt.Errorf("%w: %s lets nobody in without user and token (403): set jenkins.user and jenkins.token", build.ErrRefused, c.options.URL)
	case s.code == http.StatusForbidden:
		return fmt.Errorf("%w: user %s may not do this, or its token is wrong (403)%s", build.ErrRefused, c.who(), detail(s))
	case s.code == http.StatusServiceUnavailable:
		return fmt.Errorf("jenkins at %s is starting or overloaded (503): %w", c.options.URL, s)
	case s.refused():
		return fmt.Errorf("%w: %w", build.ErrRefused, s)
	}
	return fmt.Errorf("jenkins at %s failed: %w", c.options.URL, s)
}

func detail(s *statusError) string {
	if s.reason == "" {
		return ""
	}
	return ": " + s.reason
}

func (c *Client) who() string {
	if c.options.User == "" {
		return "anonymous"
	}
	return c.options.User
}

func (c *Client) explainNetwork(err error) error {
	var wrapped *url.Error
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded) || wrapped != nil && wrapped.Timeout():
		return fmt.Errorf("no answer from %s in time: %w", c.options.URL, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s, is jenkins running? %w", c.options.URL, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("the certificate of %s is not trusted: set jenkins.ca_file to the authority that signed it: %w", c.options.URL, err)
	case errors.As(err, &dns):
		return fmt.Errorf("no address for the host of %s: %w", c.options.URL, err)
	}
	return fmt.Errorf("reach %s: %w", c.options.URL, err)
}

// isNotFound says whether Jenkins answered that there is no such thing.
func isNotFound(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusNotFound
}
