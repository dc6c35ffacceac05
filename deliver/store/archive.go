package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"

	"deliver/release"
)

// indexLimit bounds what is read of an index: that of a million files is below it.
const indexLimit = 256 << 20

// PutIndex keeps what make gives beside the archive of release id, unless it
// is there. It says where in the archive the files are.
func (s *Store) PutIndex(ctx context.Context, id string, make func() ([]byte, error)) error {
	if _, err := s.s3.StatObject(ctx, s.loc.Bucket, s.loc.index(id), minio.StatObjectOptions{}); err == nil {
		return nil
	}
	index, err := make()
	if err != nil {
		return err
	}
	_, err = s.s3.Client.PutObject(ctx, s.loc.Bucket, s.loc.index(id), bytes.NewReader(index), int64(len(index)),
		minio.PutObjectOptions{ContentType: "application/zstd"})
	return s.wrap("write the index of "+id, err)
}

// Index reads it. Not every release has one.
func (s *Store) Index(ctx context.Context, id string) ([]byte, error) {
	body, _, _, err := s.s3.GetObject(ctx, s.loc.Bucket, s.loc.index(id), minio.GetObjectOptions{})
	if err != nil {
		return nil, s.wrap("read the index of "+id, err)
	}
	defer body.Close()
	index, err := io.ReadAll(io.LimitReader(body, indexLimit))
	return index, s.wrap("read the index of "+id, err)
}

// Archive reads parts of a release's tar while ctx lasts. What it gives is not
// verified.
func (s *Store) Archive(ctx context.Context, rec release.Record) io.ReaderAt {
	return &archive{ctx: ctx, store: s, rec: rec, ahead: leastAhead}
}

// How much is read beyond what is asked for. It doubles as long as what is
// asked for next is just behind, and so a whole archive costs some dozens of requests.
const (
	leastAhead = 16 << 10
	mostAhead  = 8 << 20
)

// archive is a tar in the store, with the part that was read last.
type archive struct {
	ctx   context.Context //nolint:containedctx // of all that reads it: io.ReaderAt has none
	store *Store
	rec   release.Record

	mu    sync.Mutex
	at    int64 // of part
	part  []byte
	ahead int64
}

// ReadAt reads.
func (a *archive) ReadAt(p []byte, off int64) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= a.rec.Size {
			return done, io.EOF
		}
		if at < a.at || at >= a.end() {
			if err := a.read(at, int64(len(p)-done)); err != nil {
				return done, err
			}
		}
		done += copy(p[done:], a.part[at-a.at:])
	}
	return done, nil
}

func (a *archive) end() int64 { return a.at + int64(len(a.part)) }

func (a *archive) read(at, n int64) error {
	if near := at - a.end(); near >= 0 && near < a.ahead && len(a.part) > 0 {
		a.ahead = min(2*a.ahead, mostAhead)
	} else {
		a.ahead = leastAhead
	}
	to := min(at+max(n, a.ahead), a.rec.Size)
	opts := minio.GetObjectOptions{}
	if err := opts.SetRange(at, to-1); err != nil {
		return err
	}
	body, _, _, err := a.store.s3.GetObject(a.ctx, a.store.loc.Bucket, a.store.loc.archive(a.rec.ID), opts)
	if err != nil {
		return a.store.wrap("read "+a.rec.ID, err)
	}
	defer body.Close()
	part := make([]byte, to-at)
	if _, err := io.ReadFull(body, part); err != nil {
		return a.store.wrap("read "+a.rec.ID, fmt.Errorf("%d bytes at %d: %w", to-at, at, err))
	}
	a.at, a.part = at, part
	return nil
}
