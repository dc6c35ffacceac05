package host

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

// question is what an app is asked to learn whether it is well.
type question interface {
	ask(ctx context.Context) error
	// port is the local port that answers, 0 when there is none or it is not known.
	port() int
}

// question is the one that health sets, nil without one.
func (l *Local) question(health Health, id string) (question, error) {
	switch {
	case health.URL != "":
		return newPageQuestion(health.URL)
	case health.Port != 0:
		return portQuestion(health.Port), nil
	case health.Command != "":
		return commandQuestion{local: l, command: health.Command, id: id}, nil
	}
	return nil, nil //nolint:nilnil // no question is no error
}

// pageQuestion asks an HTTP server.
type pageQuestion struct {
	url    *url.URL
	client *http.Client
}

func newPageQuestion(address string) (question, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, &Error{
			Kind:    KindFailed,
			Message: fmt.Sprintf("health URL %q is no http or https URL", address),
			Hint:    "for example http://localhost:3000/health",
		}
	}
	return pageQuestion{url: u, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:       dial,
			DisableKeepAlives: true, // a connection from before the restart would prove nothing
			// A certificate is for the name that the world uses, not for localhost;
			// on the loopback interface nobody stands between.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: isLoopback(u.Hostname())},
		},
	}}, nil
}

func (q pageQuestion) ask(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.url.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	req.Header.Set("User-Agent", "deliver")
	resp, err := q.client.Do(req)
	if err != nil {
		return noAnswer(q.url.String(), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode < 400 {
		return nil
	}
	return &Error{Kind: KindBadAnswer, Message: fmt.Sprintf("%s answers %s: %s", q.url, resp.Status, firstLine(resp.Body))}
}

func (q pageQuestion) port() int {
	if !isOurs(q.url.Hostname()) {
		return 0
	}
	if port, err := strconv.Atoi(q.url.Port()); err == nil {
		return port
	}
	return map[string]int{"http": 80, "https": 443}[q.url.Scheme]
}

// portQuestion opens a connection.
type portQuestion int

func (q portQuestion) ask(ctx context.Context) error {
	address := net.JoinHostPort(localhost, strconv.Itoa(int(q)))
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return noAnswer(address, err)
	}
	return conn.Close()
}

func (q portQuestion) port() int { return int(q) }

// commandQuestion runs a command in current.
type commandQuestion struct {
	local   *Local
	command string
	id      string
}

func (q commandQuestion) ask(ctx context.Context) error {
	cmd := newCommand(ctx, q.local.current(), "sh", "-c", q.command)
	cmd.Env = q.local.appEnvironment(q.id, nil)
	output, err := run(ctx, cmd)
	if err == nil {
		return nil
	}
	kind := KindBadAnswer
	if ctx.Err() != nil {
		kind = KindNoAnswer
	}
	return &Error{Kind: kind, Message: fmt.Sprintf("health command %q: %v: %s", shorten(q.command, 120), err, lastLines(output, 2))}
}

func (q commandQuestion) port() int { return 0 }

const localhost = "localhost"

// dial knows by itself what localhost is: not every server has it in a file.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	name, port, err := net.SplitHostPort(address)
	if err != nil || name != localhost {
		return d.DialContext(ctx, network, address)
	}
	conn, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return conn, nil
	}
	if conn, v6err := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); v6err == nil {
		return conn, nil
	}
	return nil, err
}

// noAnswer says in a word how a connection failed.
func noAnswer(address string, err error) error {
	kind, why := KindNoAnswer, err.Error()
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "the connection is refused: nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		kind, why = KindHang, "it takes the connection, and does not answer in time"
		if errors.As(err, &op) && op.Op == "dial" {
			why = "it does not take the connection in time"
		}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), strings.HasSuffix(why, "server closed idle connection"):
		why = "it closes the connection without an answer"
	}
	return &Error{Kind: kind, Message: fmt.Sprintf("%s: %s", address, why)}
}

func firstLine(body io.Reader) string {
	line, _ := bufio.NewReader(io.LimitReader(body, 4<<10)).ReadString('\n')
	return shorten(strings.TrimSpace(line), 200)
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == localhost || (ip != nil && ip.IsLoopback())
}

// isOurs says whether an address is one of this machine.
func isOurs(name string) bool {
	if isLoopback(name) {
		return true
	}
	ip := net.ParseIP(name)
	addresses, err := net.InterfaceAddrs()
	if ip == nil || err != nil {
		return false
	}
	for _, a := range addresses {
		if own, ok := a.(*net.IPNet); ok && own.IP.Equal(ip) {
			return true
		}
	}
	return ip.IsUnspecified()
}
