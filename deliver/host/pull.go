package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"deliver/release"
)

// Order says where a server gets the stream of an Update itself: from one
// object, of which it takes the pieces in their order.
type Order struct {
	// URL is a secret: whoever has it may read the object while it is valid.
	URL    string  `json:"url"`
	Pieces []Piece `json:"pieces"`
}

// Piece is part of a stream: these bytes, or else those of the object from From
// to before To.
type Piece struct {
	Bytes []byte `json:"bytes,omitempty"`
	From  int64  `json:"from,omitempty"`
	To    int64  `json:"to,omitempty"`
}

// Orders gives the order of what a server lacks; Parts says what that is.
type Orders func(lacks []Range) (Order, error)

// longestOrder bounds what is read of one.
const longestOrder = 8 << 20

// Pull is Update with a stream that this machine gets itself.
func (l *Local) Pull(ctx context.Context, rec release.Record, base Base, orders Orders, progress func(int64)) (Receipt, error) {
	var pull *download
	defer func() {
		if pull != nil {
			pull.close()
		}
	}()
	return l.Update(ctx, rec, base, func(lacks []Range) (io.Reader, error) {
		order, err := orders(lacks)
		if err != nil {
			return nil, err
		}
		pull, err = newDownload(ctx, order)
		return pull, err
	}, progress)
}

const (
	// startTries is how often a store that never answered is asked; moreTries
	// how often in a row one that did gives nothing more.
	startTries, moreTries = 2, 6
	// silence is how long it may give nothing.
	silence = 30 * time.Second
)

// download reads the pieces of an order. A connection that breaks is made
// again, and the object is read on from where it broke.
type download struct {
	ctx    context.Context //nolint:containedctx // of one transfer
	client *http.Client
	order  Order
	place  string // the object, without what is secret
	at     int64  // in the first of the pieces that are left
	body   io.ReadCloser
	quiet  *time.Timer
	tries  int
	answer bool // the store has given something
}

func newDownload(ctx context.Context, order Order) (*download, error) {
	u, err := url.Parse(order.URL)
	if err != nil || u.Host == "" {
		return nil, &Error{Kind: KindProtocol, Message: "the order has no address that is one", Hint: internalHint}
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: silence,
		DisableCompression:    true,
	}
	return &download{
		ctx: ctx, client: &http.Client{Transport: transport}, order: order,
		place: u.Scheme + "://" + u.Host + u.EscapedPath(), at: -1,
	}, nil
}

func (d *download) close() {
	d.hangUp()
	d.client.CloseIdleConnections()
}

// Read reads.
func (d *download) Read(p []byte) (int, error) {
	for len(d.order.Pieces) > 0 {
		piece := d.order.Pieces[0]
		if len(piece.Bytes) > 0 {
			n := copy(p, piece.Bytes)
			d.order.Pieces[0].Bytes = piece.Bytes[n:]
			if n == len(piece.Bytes) {
				d.next()
			}
			return n, nil
		}
		d.at = max(d.at, piece.From)
		if d.at >= piece.To {
			d.next()
			continue
		}
		if n, err := d.more(p, piece.To); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

func (d *download) next() {
	d.order.Pieces, d.at = d.order.Pieces[1:], -1
	d.hangUp()
}

// more reads on, up to the end of a piece. Neither bytes nor an error mean that
// the connection broke, and is to be made again.
func (d *download) more(p []byte, to int64) (int, error) {
	if d.body == nil {
		if err := d.connect(to); err != nil {
			return 0, d.failed(err)
		}
	}
	n, err := d.body.Read(p[:min(int64(len(p)), to-d.at)])
	d.quiet.Reset(silence)
	if n > 0 {
		d.at += int64(n)
		d.tries, d.answer = 0, true
		return n, nil
	}
	d.hangUp()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return 0, d.failed(err)
}

// connect asks for the object from where it is read up to now.
func (d *download) connect(to int64) error {
	ctx, cancel := context.WithCancelCause(d.ctx)
	d.quiet = time.AfterFunc(silence, func() { cancel(fmt.Errorf("it gave nothing for %s", silence)) })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.order.URL, nil)
	if err != nil {
		return final{errors.New("its address is none")}
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", d.at, to-1))
	response, err := d.client.Do(request) //nolint:bodyclose // hangUp does
	if err != nil {
		return err
	}
	d.body = response.Body
	if err := d.suits(response); err != nil {
		d.hangUp()
		return err
	}
	return nil
}

// suits says whether a response is what was asked for.
func (d *download) suits(response *http.Response) error {
	switch {
	case response.StatusCode == http.StatusPartialContent:
		if part := response.Header.Get("Content-Range"); !strings.HasPrefix(part, fmt.Sprintf("bytes %d-", d.at)) {
			return final{fmt.Errorf("it gives %q instead of what follows byte %d", part, d.at)}
		}
		return nil
	case response.StatusCode == http.StatusOK && d.at == 0:
		return nil
	case response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("it answers %s", response.Status)
	}
	return final{fmt.Errorf("it answers %s%s", response.Status, code(response.Body))}
}

// code is how S3 names what is wrong. The rest of what it says has the request in
// it, and so the secret.
func code(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, 4<<10)) // the status says enough
	_, after, found := strings.Cut(string(text), "<Code>")
	name, _, ended := strings.Cut(after, "</Code>")
	if !found || !ended || len(name) > 60 {
		return ""
	}
	_, after, _ = strings.Cut(string(text), "<Message>")
	if message, _, ended := strings.Cut(after, "</Message>"); ended && message == "Request has expired" {
		name += ", the request has expired: do the clocks of the store and of this delivery agree?"
	}
	return " (" + name + ")"
}

// final is an error that asking again does not mend.
type final struct{ error }

// failed decides whether to ask again.
func (d *download) failed(err error) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	d.tries++
	var last final
	most := startTries
	if d.answer {
		most = moreTries
	}
	if errors.As(err, &last) || d.tries >= most {
		return d.gaveUp(err)
	}
	select {
	case <-time.After(100 * time.Millisecond << d.tries):
		return nil
	case <-d.ctx.Done():
		return context.Cause(d.ctx)
	}
}

func (d *download) gaveUp(err error) error {
	var request *url.Error // which repeats the whole address
	if errors.As(err, &request) {
		err = request.Err
	}
	return &Error{
		Kind: KindStore, Message: fmt.Sprintf("get %s: %v", d.place, err),
		Hint: "the server needs a way to the store, or set VIA=ssh",
	}
}

func (d *download) hangUp() {
	if d.quiet != nil {
		d.quiet.Stop()
	}
	if d.body != nil {
		d.body.Close()
		d.body = nil
	}
}

// readOrder reads one that came instead of a stream.
func readOrder(body io.Reader) (Order, error) {
	var order Order
	text, err := io.ReadAll(io.LimitReader(body, longestOrder))
	if err == nil {
		err = json.Unmarshal(text, &order)
	}
	if err != nil {
		// What is wrong with it would show it.
		return order, &Error{Kind: KindProtocol, Message: fmt.Sprintf("the order of %d bytes is not understood", len(text)), Hint: internalHint}
	}
	return order, order.validate()
}

func (o Order) validate() error {
	for _, p := range o.Pieces {
		if p.From < 0 || p.To < p.From {
			return &Error{Kind: KindProtocol, Message: "the order asks for less than nothing", Hint: internalHint}
		}
	}
	return nil
}
