package host

import (
	"context"
	"encoding/json"
	"io"
	"slices"
)

// Side is one side of a conversation, by hand.
type Side struct{ *frameWriter }

// NewSide says to w what is told to it.
func NewSide(w io.Writer) Side { return Side{newFrameWriter(w)} }

// Message says a Request or a Reply, or what is none.
func (s Side) Message(id uint64, message []byte) {
	_ = s.write(frame{id: id, kind: frameMessage, payload: message})
}

// Body says a body, and that it ends.
func (s Side) Body(id uint64, body []byte) {
	for part := range slices.Chunk(body, bodyPart) {
		_ = s.write(frame{id: id, kind: frameBody, payload: part})
	}
	_ = s.write(frame{id: id, kind: frameEnd})
}

// Part says part of a body.
func (s Side) Part(id uint64, part []byte) {
	_ = s.write(frame{id: id, kind: frameBody, payload: part})
}

// Heard reads the replies that a far side said, of all requests.
func Heard(said io.Reader) (replies []Reply, err error) {
	in := newFrameReader(said, longestAnswer)
	_, err = in.greeted()
	for err == nil {
		var f frame
		if f, err = in.next(); err == nil && f.kind == frameMessage {
			var r Reply
			err = json.Unmarshal(f.payload, &r)
			replies = append(replies, r)
		}
	}
	return replies, err
}

// Asked is the first request that a near side said.
func Asked(said io.Reader) (req Request, err error) {
	in := newFrameReader(said, longestRequest)
	if _, err = in.greeted(); err != nil {
		return req, err
	}
	f, err := in.next()
	if err != nil {
		return req, err
	}
	return req, json.Unmarshal(f.payload, &req)
}

// BodyWindow is how much of a body may be under way.
const BodyWindow = bodyWindow

// FirstEnd is the first reply that ends an answer; what follows is not read.
func FirstEnd(said io.Reader) (r Reply, err error) {
	in := newFrameReader(said, longestAnswer)
	_, err = in.greeted()
	for err == nil && r.Error == nil && r.OK == nil {
		var f frame
		if f, err = in.next(); err == nil && f.kind == frameMessage {
			err = json.Unmarshal(f.payload, &r)
		}
	}
	return r, err
}

// LayOut makes the spare tree of the release that runs, however small that is.
func (l *Local) LayOut(ctx context.Context) error { return l.layOut(ctx, 1) }

// SpareWorth is how many files a release has for which one is laid out.
const SpareWorth = spareWorth

// Yield is yield.
func Yield() (back func()) { return yield() }
