package delta

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"deliver/manifest"
)

// Old reads part of a file of base.
type Old func(entry int, offset int64, part []byte) error

// Reader reads what Write wrote. Nothing that it gives has been verified: a
// content is only as good as its digest.
type Reader struct {
	in      *bufio.Reader
	decoder *zstd.Decoder
	target  *manifest.Manifest
	last    int   // entry of the last piece
	offset  int64 // where it goes on
}

// Piece is part of a content.
type Piece struct {
	Entry  int
	Offset int64
	Size   int
	Data   []byte // nil where the frame could not be read
}

// Frame is some pieces of contents.
type Frame struct {
	Pieces []Piece
	// Aided says that old files helped to read it.
	Aided bool
	// Lost says why the pieces have no data: the old files are not what they
	// were. The frames after it are not affected.
	Lost error
}

// NewReader reads a stream from r. Close gives its memory back.
func NewReader(r io.Reader) (*Reader, error) {
	decoder, err := newDecoder(nil)
	if err != nil {
		return nil, err
	}
	return &Reader{in: bufio.NewReaderSize(r, 64<<10), decoder: decoder}, nil
}

func newDecoder(dict []byte) (*zstd.Decoder, error) {
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(widestWindow), zstd.WithDecoderMaxMemory(mostDifference)}
	if dict != nil {
		options = append(options, zstd.WithDecoderDictRaw(dictionaryID, dict))
	}
	return zstd.NewReader(nil, options...)
}

// Close gives the memory back.
func (r *Reader) Close() { r.decoder.Close() }

// Difference is the first thing to read. It is empty where the sender knew
// that the target is known.
func (r *Reader) Difference() ([]byte, error) {
	size, err := r.number(mostDifference)
	if err != nil {
		return nil, err
	}
	packed, err := r.number(mostDifference)
	if err != nil || packed == 0 {
		return nil, err
	}
	in := &io.LimitedReader{R: r.in, N: int64(packed)}
	if err := r.decoder.Reset(in); err != nil {
		return nil, damaged(err)
	}
	raw, err := io.ReadAll(io.LimitReader(r.decoder, int64(size)+1))
	switch {
	case err != nil:
		return nil, damaged(err)
	case len(raw) != size || in.N != 0:
		return nil, damaged(errors.New("the manifest is not of its size"))
	}
	return raw, nil
}

// Expect tells whose contents follow.
func (r *Reader) Expect(target *manifest.Manifest) { r.target, r.last, r.offset = target, None, 0 }

// Next is the next frame; io.EOF is the end that Write wrote.
func (r *Reader) Next(old Old) (*Frame, error) {
	raw, err := r.number(frameSize)
	if err != nil {
		return nil, err
	}
	if raw == 0 {
		if r.unfinished() {
			return nil, damaged(errors.New("a content has no end"))
		}
		return nil, io.EOF
	}
	size, err := r.number(2*frameSize + 1024)
	if err != nil {
		return nil, err
	}
	windows, err := r.windows()
	if err != nil {
		return nil, err
	}
	f := &Frame{Aided: len(windows) > 0}
	if f.Pieces, err = r.pieces(raw); err != nil {
		return nil, err
	}
	packed := make([]byte, size)
	if _, err := io.ReadFull(r.in, packed); err != nil {
		return nil, damaged(err)
	}
	data, err := r.unpack(nil, packed, raw, windows, old)
	if err != nil && len(windows) == 0 {
		return nil, damaged(err)
	}
	f.Lost = err
	f.share(data)
	return f, nil
}

func (f *Frame) share(data []byte) {
	if f.Lost != nil {
		return
	}
	for n := range f.Pieces {
		p := &f.Pieces[n]
		p.Data, data = data[:p.Size:p.Size], data[p.Size:]
	}
}

func (r *Reader) windows() ([]window, error) {
	n, err := r.number(mostDictionary)
	if err != nil {
		return nil, err
	}
	var found []window
	total := 0
	for range n {
		entry, err1 := r.number(1 << 30)
		offset, err2 := r.number(1 << 50)
		size, err3 := r.number(mostDictionary)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		if total += size; size == 0 || total > mostDictionary {
			return nil, damaged(errors.New("a dictionary is too large"))
		}
		found = append(found, window{entry: entry, offset: int64(offset), size: size})
	}
	return found, nil
}

// pieces shares raw bytes among the contents that a frame says it has.
func (r *Reader) pieces(raw int) ([]Piece, error) {
	n, err := r.number(raw)
	if err != nil {
		return nil, err
	}
	var found []Piece
	entry := 0
	for range n {
		more, err := r.number(len(r.target.Entries))
		if err != nil {
			return nil, err
		}
		entry += more
		piece, err := r.piece(entry, raw)
		if err != nil {
			return nil, err
		}
		raw -= piece.Size
		found = append(found, piece)
	}
	if raw != 0 {
		return nil, damaged(errors.New("a frame has more than its contents"))
	}
	return found, nil
}

func (r *Reader) piece(entry, room int) (Piece, error) {
	if entry >= len(r.target.Entries) || r.target.Entries[entry].Kind != manifest.File {
		return Piece{}, damaged(fmt.Errorf("entry %d is no file", entry))
	}
	if entry != r.last {
		if entry < r.last || r.unfinished() {
			return Piece{}, damaged(errors.New("contents are out of order"))
		}
		r.last, r.offset = entry, 0
	}
	p := Piece{Entry: entry, Offset: r.offset, Size: int(min(r.target.Entries[entry].Size-r.offset, int64(room)))}
	if p.Size <= 0 {
		return Piece{}, damaged(errors.New("a frame has less than its contents"))
	}
	r.offset += int64(p.Size)
	return p, nil
}

func (r *Reader) unfinished() bool {
	return r.last != None && r.offset < r.target.Entries[r.last].Size
}

// unpack gives the content of a frame, in the memory of into where that is enough.
func (r *Reader) unpack(into, packed []byte, size int, windows []window, old Old) ([]byte, error) {
	decoder := r.decoder
	if len(windows) > 0 {
		dict, err := read(windows, old)
		if err != nil {
			return nil, err
		}
		if decoder, err = newDecoder(dict); err != nil {
			return nil, err
		}
		defer decoder.Close()
	}
	var header zstd.Header
	if err := header.Decode(packed); err != nil || !header.HasFCS || header.FrameContentSize != uint64(size) {
		return nil, errors.New("a frame is not of its size")
	}
	data, err := decoder.DecodeAll(packed, slices.Grow(into[:0], size))
	if err == nil && len(data) != size {
		err = errors.New("a frame is not of its size")
	}
	return data, err
}

func read(windows []window, old Old) ([]byte, error) {
	var dict []byte
	for _, win := range windows {
		part := make([]byte, win.size)
		if err := old(win.entry, win.offset, part); err != nil {
			return nil, err
		}
		dict = append(dict, part...)
	}
	return dict, nil
}

func (r *Reader) number(most int) (int, error) {
	n, err := binary.ReadUvarint(r.in)
	switch {
	case err != nil:
		return 0, damaged(err)
	case n > uint64(most):
		return 0, damaged(fmt.Errorf("a number is %d where at most %d can be", n, most))
	}
	return int(n), nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends early")
	}
	return fmt.Errorf("the stream is damaged: %w", err)
}

// Unpack reads a frame that was placed and has no dictionary, in the memory of
// into where that is enough.
func Unpack(into, packed []byte, raw int) ([]byte, error) {
	if raw > frameSize {
		return nil, damaged(errors.New("a frame is too large"))
	}
	decoder, err := newDecoder(nil)
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	r := &Reader{decoder: decoder}
	return r.unpack(into, packed, raw, nil, nil)
}
