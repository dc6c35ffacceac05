package delivery

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"deliver/manifest"
	"deliver/release"
)

// An index is what one has to know of a tar to read single files of it: a line of
// JSON, the manifest with its size before it, and for each of its contents where in the
// tar it is. All of it is compressed.

// indexHead is its line of JSON.
type indexHead struct {
	Version int      `json:"version"`
	Arches  []string `json:"arches,omitempty"`
	Hooks   []string `json:"hooks,omitempty"`
}

const (
	indexVersion = 1
	// mostIndex bounds what an index may be when it is unpacked.
	mostIndex = 1 << 30
)

// Index is that of the build.
func (b *Build) Index() ([]byte, error) {
	line, err := json.Marshal(indexHead{indexVersion, b.Arches, b.Hooks})
	if err != nil {
		return nil, err
	}
	tree := b.Manifest.Encode()
	plain := append(line, '\n')
	plain = binary.AppendUvarint(plain, uint64(len(tree)))
	plain = append(plain, tree...)
	for _, n := range b.Manifest.Contents() {
		at, ok := b.offsets[b.Manifest.Entries[n].Digest]
		if !ok {
			return nil, fmt.Errorf("no index of %s: %s is not in one piece in its tar", b.Record.ID, b.Manifest.Entries[n].Path)
		}
		plain = binary.AppendUvarint(plain, uint64(at))
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return encoder.EncodeAll(plain, nil), errors.Join(err, encoder.Close())
}

// Outline makes a Build of a tar that is elsewhere, of which only those files are read
// that are needed. Every one is verified by who gets it: by its digest in the manifest, whose
// digest is in the record.
func Outline(rec release.Record, index []byte, tar io.ReaderAt) (*Build, error) {
	head, tree, places, err := readIndex(index)
	if err != nil {
		return nil, fmt.Errorf("read the index of %s: %w", rec.ID, err)
	}
	if tree.Digest().String() != rec.Tree {
		return nil, fmt.Errorf("read the index of %s: it is of another tree", rec.ID)
	}
	b := &Build{Record: rec, Arches: head.Arches, Hooks: head.Hooks, Manifest: tree, tar: tar, offsets: map[manifest.Digest]int64{}}
	for _, n := range tree.Contents() {
		at, size := binary.Uvarint(places)
		if size <= 0 || at > uint64(rec.Size) {
			return nil, fmt.Errorf("read the index of %s: it does not say where %s is", rec.ID, tree.Entries[n].Path)
		}
		b.offsets[tree.Entries[n].Digest] = int64(at)
		places = places[size:]
	}
	return b, nil
}

func readIndex(index []byte) (head indexHead, tree *manifest.Manifest, places []byte, err error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostIndex))
	if err != nil {
		return head, nil, nil, err
	}
	defer decoder.Close()
	plain, err := decoder.DecodeAll(index, nil)
	if err != nil {
		return head, nil, nil, err
	}
	line, rest, _ := bytes.Cut(plain, []byte("\n"))
	if err := json.Unmarshal(line, &head); err != nil || head.Version != indexVersion {
		return head, nil, nil, errors.New("it is of another version")
	}
	size, n := binary.Uvarint(rest)
	if n <= 0 || size > uint64(len(rest)-n) {
		return head, nil, nil, errors.New("it ends early")
	}
	tree, err = manifest.Decode(rest[n : n+int(size)])
	return head, tree, rest[n+int(size):], err
}
