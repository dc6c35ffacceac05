// Package jenkins speaks to a Jenkins, real or embedded, through gojenkins, and
// keeps that library's panics and false answers in.
package jenkins

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bndr/gojenkins"
)

// Options say which Jenkins, and as whom.
type Options struct {
	URL         string            // of the Jenkins, with its path prefix if it has one
	User        string            // empty: anonymous
	Token       string            // an API token; a password works too
	Timeout     time.Duration     // for one request; default 30 s
	Authorities []byte            // PEM certificates that Jenkins' own is signed with; empty: the system's
	Transport   http.RoundTripper // default: a clone of net/http's
}

// Client is a Jenkins. It is safe for use by several goroutines.
//
// Its errors are of four kinds. build.ErrNoJob and build.ErrNoRun: Jenkins
// answered and has no such thing. build.ErrRefused: Jenkins understood and
// did nothing. All others leave open whether Jenkins acted: look before a
// request is sent again.
type Client struct {
	options   Options
	requester gojenkins.JenkinsRequester
	items     items
}

// New prepares a client. It sends nothing: an address that does not answer
// shows at the first request, or with Ping.
func New(o Options) (*Client, error) {
	base, err := checkURL(o.URL)
	if err != nil {
		return nil, err
	}
	if (o.User == "") != (o.Token == "") {
		return nil, errors.New("jenkins user and token: set both or neither")
	}
	o.URL = base
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Transport == nil {
		if o.Transport, err = newTransport(o.Authorities); err != nil {
			return nil, err
		}
	}
	web := &http.Client{Transport: newGuard(o), Timeout: o.Timeout}
	return &Client{options: o, requester: newRequester(web, o)}, nil
}

func newTransport(authorities []byte) (http.RoundTripper, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if len(authorities) == 0 {
		return transport, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authorities) {
		return nil, errors.New("jenkins authorities: the file holds no PEM certificate")
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}

func checkURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("jenkins url %q: not a url", raw)
	}
	switch {
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return "", fmt.Errorf("jenkins url %q: want http://HOST or https://HOST", raw)
	case u.User != nil:
		return "", fmt.Errorf("jenkins url of %s: give user and token as settings of their own, not in the url", u.Host)
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("jenkins url %q: want no ? and no #", raw)
	}
	return strings.TrimRight(raw, "/"), nil
}

// Jenkins.Init is not called: it resets global loggers on every call.
func newRequester(web *http.Client, o Options) gojenkins.JenkinsRequester {
	if o.User == "" {
		return gojenkins.CreateJenkins(web, o.URL).Requester
	}
	return gojenkins.CreateJenkins(web, o.URL, o.User, o.Token).Requester
}

// getJSON decodes what path's API says into a value of its own: a value that
// is decoded into twice keeps what the second answer leaves out.
func (c *Client) getJSON(ctx context.Context, path, tree string, into any) (http.Header, error) {
	query := map[string]string{}
	if tree != "" {
		query["tree"] = tree
	}
	return c.send(func() (*http.Response, error) {
		return c.requester.GetJSON(ctx, path, into, query)
	})
}

func (c *Client) getText(ctx context.Context, path string, query map[string]string) (string, http.Header, error) {
	var text string
	header, err := c.send(func() (*http.Response, error) {
		return c.requester.Get(ctx, path, &text, query)
	})
	return text, header, err
}

func (c *Client) post(ctx context.Context, path string, form url.Values) error {
	_, err := c.postForm(ctx, path, form)
	return err
}

func (c *Client) postForm(ctx context.Context, path string, form url.Values) (http.Header, error) {
	return c.send(func() (*http.Response, error) {
		return c.requester.Post(ctx, path, strings.NewReader(form.Encode()), nil, nil)
	})
}

func (c *Client) postXML(ctx context.Context, path string, config []byte, query map[string]string) error {
	_, err := c.send(func() (*http.Response, error) {
		return c.requester.PostXML(ctx, path, string(config), nil, query)
	})
	return err
}

// send runs one call of gojenkins. The guard has made errors of bad answers;
// the recover is for what the library still has in store.
func (c *Client) send(call func() (*http.Response, error)) (header http.Header, err error) {
	defer func() {
		if p := recover(); p != nil {
			header, err = nil, fmt.Errorf("gojenkins panicked: %v", p)
		}
	}()
	response, err := call() //nolint:bodyclose // gojenkins has read and closed it
	if err != nil {
		return nil, c.explain(err)
	}
	return response.Header, nil
}
