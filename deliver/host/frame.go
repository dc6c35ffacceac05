package host

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A conversation is frames both ways, after a line that says what it is. A
// frame is the number of its request and its kind, the size of its payload,
// and that.

// greeting is the line that each side begins with.
const greeting = "deliver conversation 3\n"

// The kinds of frames.
const (
	frameMessage = iota // a Request, or a Reply; what a deflater made of it
	frameBody           // part of the body of a request
	frameEnd            // the last part
	frameCancel         // whoever asked waits no more
	frameTaken          // how much of the body was taken: as much more may come
	kindsOfFrames
)

const (
	// bodyPart is the most that one frame has of a body: others wait while it is sent.
	bodyPart = 32 << 10
	// bodyWindow is how much of a body may be under way.
	bodyWindow = 4 << 20
	// longestFrame bounds a payload.
	longestFrame = 8 << 20
)

// frame is one frame.
type frame struct {
	id      uint64
	kind    byte
	payload []byte
}

// taken is the frame that lets n more bytes of a body come.
func taken(id uint64, n int) frame {
	return frame{id: id, kind: frameTaken, payload: binary.AppendUvarint(nil, uint64(n))}
}

// allowed reads the payload of taken.
func (f frame) allowed() (int, error) {
	n, size := binary.Uvarint(f.payload)
	if size != len(f.payload) || n > bodyWindow {
		return 0, errors.New("a frame allows what it may not")
	}
	return int(n), nil
}

// frameWriter writes frames, each as one piece, for many at once.
type frameWriter struct {
	mu       sync.Mutex
	to       io.Writer
	deflater deflater
	head     []byte // what is to be sent before the next frame
}

func newFrameWriter(to io.Writer) *frameWriter {
	return &frameWriter{to: to, head: []byte(greeting)}
}

func (w *frameWriter) write(f frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.kind == frameMessage {
		f.payload = w.deflater.pack(f.payload)
	}
	out := binary.AppendUvarint(w.head, f.id*kindsOfFrames+uint64(f.kind))
	out = binary.AppendUvarint(out, uint64(len(f.payload)))
	out = append(out, f.payload...)
	w.head = out[:0]
	if _, err := w.to.Write(out); err != nil {
		return fmt.Errorf("write to the other side: %w", err)
	}
	return nil
}

// frameReader reads frames. A message has at most longest bytes.
type frameReader struct {
	in       *bufio.Reader
	longest  int
	inflater inflater
}

func newFrameReader(in io.Reader, longest int) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(in, 16<<10), longest: longest}
}

// garbled is the error of a side that does not speak as it should.
type garbled struct{ why string }

// Error says why.
func (g garbled) Error() string { return g.why }

// greeted reads the line that the other side begins with, and returns what it
// is instead.
func (r *frameReader) greeted() (said []byte, err error) {
	said, err = r.in.ReadSlice('\n')
	switch {
	case bytes.Equal(said, []byte(greeting)):
		return nil, nil
	case len(said) > 0:
		return bytes.Clone(said), garbled{"it does not begin a conversation"}
	}
	return nil, err
}

// next is the next frame; io.EOF is an end between two of them. The payload is
// the caller's.
func (r *frameReader) next() (frame, error) {
	head, err := binary.ReadUvarint(r.in)
	if err != nil {
		return frame{}, err
	}
	f := frame{id: head / kindsOfFrames, kind: byte(head % kindsOfFrames)}
	size, err := binary.ReadUvarint(r.in)
	if err != nil {
		return frame{}, cut(err)
	}
	if size > longestFrame {
		return frame{}, garbled{fmt.Sprintf("a frame of %d bytes, where %d are the most", size, longestFrame)}
	}
	f.payload, err = readPayload(r.in, int(size))
	if err != nil {
		return frame{}, cut(err)
	}
	if f.kind == frameMessage {
		f.payload, err = r.inflater.unpack(f.payload, r.longest)
	}
	return f, err
}

// readPayload takes memory as the bytes come, and not as they are promised.
func readPayload(in io.Reader, size int) ([]byte, error) {
	if size <= bodyPart {
		payload := make([]byte, size)
		_, err := io.ReadFull(in, payload)
		return payload, err
	}
	var payload bytes.Buffer
	_, err := io.CopyN(&payload, in, int64(size))
	return payload.Bytes(), err
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
