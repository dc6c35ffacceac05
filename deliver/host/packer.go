package host

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// The messages of a side are one deflate stream, since each resembles those
// before it. It is flushed after each; the four bytes of a flush are known and
// not sent.

const flushed = "\x00\x00\xff\xff"

// packer compresses messages one after the other.
type packer struct {
	out   bytes.Buffer
	flate *flate.Writer
}

func newPacker() *packer {
	p := &packer{}
	p.flate, _ = flate.NewWriterDict(&p.out, flate.BestCompression, []byte(usualWords)) // it knows this level
	return p
}

// pack is good until the next one.
func (p *packer) pack(message []byte) []byte {
	p.out.Reset()
	_, _ = p.flate.Write(append(message, '\n')) // a bytes.Buffer takes all
	_ = p.flate.Flush()
	return bytes.TrimSuffix(p.out.Bytes(), []byte(flushed))
}

// unpacking reads what a packer made.
type unpacking struct {
	in    bytes.Buffer
	flate io.Reader
}

func newUnpacking() *unpacking {
	u := &unpacking{}
	u.flate = flate.NewReaderDict(&u.in, []byte(usualWords))
	return u
}

// unpack gives one message back.
func (u *unpacking) unpack(packed []byte, longest int) ([]byte, error) {
	u.in.Reset()
	u.in.Write(packed)
	u.in.WriteString(flushed)
	var message []byte
	part := make([]byte, 4<<10)
	for {
		n, err := u.flate.Read(part)
		message = append(message, part[:n]...)
		switch {
		case err != nil:
			return nil, garbled{fmt.Sprintf("a message is damaged: %v", err)}
		case len(message) > longest:
			return nil, garbled{fmt.Sprintf("a message of over %d bytes", longest)}
		case bytes.HasSuffix(message, []byte("\n")):
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
