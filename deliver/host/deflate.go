package host

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// A message is a deflate stream of its own, to which the usual words and the
// messages before it are the dictionary, since it resembles them. It ends with a
// flush, whose four bytes are known and not sent. What compresses is large, and
// there may be a thousand conversations: it is nobody's for longer than a message.

const (
	flushed = "\x00\x00\xff\xff"
	// longestPast is how much of the messages before it a message may refer to.
	longestPast = 4 << 10
)

// past is the end of what a side has said.
type past []byte

func (p *past) add(message []byte) {
	*p = append(*p, message...)
	if over := len(*p) - longestPast; over > 0 {
		*p = append((*p)[:0], (*p)[over:]...)
	}
}

// deflater compresses the messages of a conversation one after the other.
type deflater struct{ past past }

// packing is what compresses.
type packing struct {
	out   bytes.Buffer
	flate *flate.Writer
}

var packings = sync.Pool{New: func() any {
	p := &packing{}
	p.flate, _ = flate.NewWriterDict(&p.out, flate.BestCompression, []byte(usualWords)) // it knows this level
	return p
}}

// pack gives the message as it is sent.
func (d *deflater) pack(message []byte) []byte {
	message = append(message, '\n')
	with := packings.Get().(*packing)
	defer packings.Put(with)
	with.flate.Reset(&with.out)
	with.write(d.past)
	packed := bytes.Clone(bytes.TrimSuffix(with.write(message), []byte(flushed)))
	d.past.add(message)
	return packed
}

// write is good until the next one.
func (p *packing) write(text []byte) []byte {
	p.out.Reset()
	_, _ = p.flate.Write(text) // a bytes.Buffer takes all
	_ = p.flate.Flush()
	return p.out.Bytes()
}

// inflater reads what the deflater of the other side made.
type inflater struct{ past past }

// unpacking is what decompresses.
type unpacking struct {
	in    bytes.Reader
	flate io.ReadCloser
}

var unpackings = sync.Pool{New: func() any {
	u := &unpacking{}
	u.flate = flate.NewReader(&u.in)
	return u
}}

// unpack gives one message back.
func (i *inflater) unpack(packed []byte, longest int) ([]byte, error) {
	with := unpackings.Get().(*unpacking)
	defer unpackings.Put(with)
	with.in.Reset(append(packed, flushed...))
	if err := with.flate.(flate.Resetter).Reset(&with.in, append([]byte(usualWords), i.past...)); err != nil {
		return nil, err
	}
	var message []byte
	part := make([]byte, 4<<10)
	for {
		n, err := with.flate.Read(part)
		message = append(message, part[:n]...)
		switch {
		case err != nil:
			return nil, garbled{fmt.Sprintf("a message is damaged: %v", err)}
		case len(message) > longest:
			return nil, garbled{fmt.Sprintf("a message of over %d bytes", longest)}
		case bytes.HasSuffix(message, []byte("\n")):
			i.past.add(message)
			return message, nil
		}
	}
}

// usualWords is what messages are mostly made of, the most usual last. Both sides
// must have the same: it is part of what greeting stands for.
const usualWords = `{"error":{"kind":"unreachable","message":"","hint":""}}` +
	`{"op":"hook","args":{"name":"pre-switch","id":"","env":{"APP":"","COMMIT":"","DELIVER_TO":"","HOST":"","PREVIOUS":"","RELEASE":"","VERSION":""}}` +
	`{"ok":{"output":"","failed":{"kind":"hook","message":""}}}{"op":"manifest"}{"op":"history","args":{"limit":20}}` +
	`{"op":"pin","args":{"pin":{"release":"","from":"","version":"","by":"","since":"2026-01-01T00:00:00Z"}}}` +
	`{"op":"prune","args":{"keep":5}}{"ok":[""]}{"ok":{}}{"op":"release","args":{}}` +
	`{"op":"record","args":{"entry":{"time":"2026-01-01T00:00:00.123456789Z","run":"","action":"push","release":"","previous":"","result":"healthy","by":"","why":""}}}` +
	`{"op":"check","args":{"health":{"url":"http://localhost:","port":,"command":"","rise":3,"interval":1000000000,"timeout":5000000000,"deadline":60000000000,"after_restart":true},` +
	`"service":{"manager":"systemd","name":"","command":""},"id":""}}{"ok":{"answers":3,"took":1000000000,"pid":1000,"proven":true,"detail":""}}` +
	`{"op":"restart","args":{"service":{}}}{"op":"switch","args":{"id":"","over":""}}{"ok":{"previous":""}}` +
	`{"op":"update","args":{"record":{"id":"","app":"","version":"","commit":"","sequence":1,"created":"2026-01-01T00:00:00Z","sha256":"","tree":"","size":,"files":,"by":""},"base":{"id":"","tree":""}}}` +
	`{"progress":0}{"progress":0,"lacks":[[0,1]]}{"progress":,"ok":{"already":false,"bytes":,"files":}}` +
	`{"op":"claim","args":{"claim":{"run":"","by":"","runner":{"machine":"","pid":,"start":""},"ttl":30000000000,"renew":true}}}` +
	`{"ok":{"granted":true,"lease":{"token":,"run":"","by":"","runner":{"machine":"pid:[","pid":,"start":""},"since":"","beat":1,"left":30000000000},"current":""}}` +
	`{"ok":{"hostname":"","user":"deploy","os":"linux","arch":"amd64","root":"/srv/","current":"","since":"2026-01-01T00:00:00.123456789Z","releases":[{"id":""}],` +
	`"free_bytes":,"free_inodes":,"service":{"manager":"systemd","known":true,"running":true,"pid":,"detail":"","restart":["systemctl restart "]},` +
	`"history":[{"time":""}],"version":"(devel)","lease":{"token":}}}` +
	`{"v":2,"op":"look","timeout":600000000000,"place":{"app":"","root":"/srv/","shared_paths":[""]},"token":1,"args":{"service":{"manager":"","name":""}}}`
