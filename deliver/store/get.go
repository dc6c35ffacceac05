package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"deliver/release"
)

// Record reads the record of release id, which is there whole.
func (s *Store) Record(ctx context.Context, id string) (release.Record, error) {
	rec, err := s.readRecord(ctx, id)
	if err != nil {
		return rec, err
	}
	size, there, err := s.stored(ctx, id)
	switch {
	case err != nil:
		return rec, err
	case !there:
		return rec, s.notThere(id)
	case size != rec.Size:
		return rec, notItsRecord(rec, fmt.Sprintf("it has %d bytes, not %d", size, rec.Size))
	}
	return rec, nil
}

func (s *Store) readRecord(ctx context.Context, id string) (release.Record, error) {
	if !segmentOK(id) {
		return release.Record{}, &Error{Kind: KindInvalid, Message: fmt.Sprintf("%q is no release id", id)}
	}
	data, _, err := s.readDocument(ctx, s.loc.record(id))
	if err = s.wrap("read the record of "+id, err); IsKind(err, KindMissing) {
		err = s.notThere(id)
	}
	if err != nil {
		return release.Record{}, err
	}
	rec, err := parseRecord(data)
	if err == nil && rec.ID != id {
		err = &Error{Kind: KindInvalid, Message: fmt.Sprintf("%s is the record of another release, %q", s.loc.record(id), rec.ID)}
	}
	return rec, err
}

func (s *Store) notThere(id string) error {
	return &Error{
		Kind: KindMissing, Message: fmt.Sprintf("release %s is not in %s", id, s.loc),
		Hint: "`deliver releases` lists what is there",
	}
}

// Get opens the archive of release id, an uncompressed tar. It is verified
// while it is read: where it is not what its record says, the last Read gives
// an error of KindDigest in place of io.EOF.
func (s *Store) Get(ctx context.Context, id string) (release.Record, io.ReadCloser, error) {
	rec, err := s.Record(ctx, id)
	if err != nil {
		return rec, nil, err
	}
	body, _, _, err := s.s3.GetObject(ctx, s.loc.Bucket, s.loc.archive(id), minio.GetObjectOptions{})
	if err != nil {
		return rec, nil, s.wrap("get "+id, err)
	}
	return rec, &verified{body: body, rec: rec, digest: sha256.New(), store: s}, nil
}

// List gives the records of all releases in the store, oldest first.
func (s *Store) List(ctx context.Context) ([]release.Record, error) {
	ids, err := s.ids(ctx)
	if err != nil {
		return nil, s.wrap("list "+s.loc.String(), err)
	}
	records := make([]release.Record, len(ids))
	readers, ctx := errgroup.WithContext(ctx)
	readers.SetLimit(8)
	for i, id := range ids {
		readers.Go(func() (err error) {
			records[i], err = s.readRecord(ctx, id)
			return err
		})
	}
	if err := readers.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b release.Record) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Sequence, b.Sequence), strings.Compare(a.ID, b.ID))
	})
	return records, nil
}

// ids are those of which both the record and the archive are there.
func (s *Store) ids(ctx context.Context) ([]string, error) {
	var ids []string
	archives := map[string]bool{}
	objects := s.s3.ListObjectsIter(ctx, s.loc.Bucket, minio.ListObjectsOptions{Prefix: s.loc.releases(), Recursive: true})
	for object := range objects {
		if object.Err != nil {
			return nil, object.Err
		}
		name := strings.TrimPrefix(object.Key, s.loc.releases())
		if id, ok := strings.CutSuffix(name, ".tar"); ok {
			archives[id] = true
		}
		if id, ok := strings.CutSuffix(name, ".json"); ok && segmentOK(id) {
			ids = append(ids, id)
		}
	}
	return slices.DeleteFunc(ids, func(id string) bool { return !archives[id] }), nil
}

// verified passes an archive on and checks it at its end.
type verified struct {
	body   io.ReadCloser
	rec    release.Record
	digest hash.Hash
	n      int64
	store  *Store
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.body.Read(p)
	v.digest.Write(p[:n])
	v.n += int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		if bad := checkDigest(v.rec, v.n, v.digest); bad != nil {
			return n, bad
		}
		return n, io.EOF
	}
	return n, v.store.wrap("read "+v.rec.ID, err)
}

func (v *verified) Close() error { return v.body.Close() }
