package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/minio/minio-go/v7"

	"deliver/release"
)

// Published is what Publish did.
type Published struct {
	Already bool // the release was there; nothing was uploaded
	Newest  bool // JOB.tar is this release
}

const (
	partSize    = 16 << 20 // bytes
	partsAtOnce = 3
)

// Opener opens the uncompressed tar of a build from its beginning.
type Opener func() (io.ReadCloser, error)

// Publish puts a release into the store: its record, which claims the id,
// then the archive, then JOB.tar unless that is of a later build. A release
// that is there with the same digest costs nothing, and tar is not opened; an
// id that another build has claimed is refused, for an id is one build for
// ever. What was cut goes on when it is published again; until then no one
// takes it for a release. progress gets the bytes read so far; it may be nil.
func (s *Store) Publish(ctx context.Context, rec release.Record, tar Opener, progress func(int64)) (Published, error) {
	if err := checkRecord(rec); err != nil {
		return Published{}, err
	}
	rec, err := s.claim(ctx, rec)
	if err != nil {
		return Published{}, err
	}
	size, there, err := s.stored(ctx, rec.ID)
	if err != nil {
		return Published{}, err
	}
	already := there && size == rec.Size
	if !already {
		if err := s.upload(ctx, rec, tar, progress); err != nil {
			return Published{}, s.wrap("upload "+rec.ID, err)
		}
	}
	newest, err := s.copyNewest(ctx, rec)
	if err != nil {
		return Published{}, s.wrap("copy "+rec.ID+" to "+s.loc.newest(), err)
	}
	return Published{Already: already, Newest: newest}, nil
}

func checkRecord(rec release.Record) error {
	digest, err := hex.DecodeString(rec.SHA256)
	if !segmentOK(rec.ID) || err != nil || len(digest) != sha256.Size || rec.Size < 0 {
		return &Error{Kind: KindInvalid, Message: fmt.Sprintf("record of release %q has no fitting id, digest or size", rec.ID)}
	}
	return nil
}

// claim makes the id this build's, or refuses it. It gives the record that is
// there: that of the first who published this build.
func (s *Store) claim(ctx context.Context, rec release.Record) (release.Record, error) {
	return backoff.Retry(ctx, func() (release.Record, error) {
		there, err := s.tryClaim(ctx, rec)
		if err != nil && !IsKind(err, KindMissing) { // missing: two are writing it at this moment
			err = backoff.Permanent(err)
		}
		return there, err
	}, backoff.WithMaxTries(5))
}

func (s *Store) tryClaim(ctx context.Context, rec release.Record) (release.Record, error) {
	err := s.writeDocument(ctx, s.loc.record(rec.ID), "", rec)
	switch {
	case err == nil:
		return rec, nil
	case !changedMeanwhile(err):
		return rec, s.wrap("write the record of "+rec.ID, err)
	}
	there, err := s.readRecord(ctx, rec.ID)
	if err != nil {
		return there, err
	}
	return there, s.sameBuild(there, rec)
}

func (s *Store) sameBuild(there, here release.Record) error {
	if there.SHA256 == here.SHA256 || (here.SHA256 == "" && there.SameBuild(here)) {
		return nil
	}
	return &Error{
		Kind: KindConflict,
		Message: fmt.Sprintf("release %s is in %s already as another build (digest %.12s there, %.12s here)",
			here.ID, s.loc, cmp.Or(there.SHA256, there.Tree), cmp.Or(here.SHA256, here.Tree)),
		Hint: "give this build an id of its own (BUILD_TAG)",
	}
}

// stored is the size of a release's archive, and whether there is one.
func (s *Store) stored(ctx context.Context, id string) (int64, bool, error) {
	archive, err := s.s3.StatObject(ctx, s.loc.Bucket, s.loc.archive(id), minio.StatObjectOptions{})
	if err != nil && response(err).Code == minio.NoSuchKey {
		return 0, false, nil
	}
	return archive.Size, err == nil, s.wrap("look for "+id, err)
}

func (s *Store) upload(ctx context.Context, rec release.Record, tar Opener, progress func(int64)) error {
	body, err := tar()
	if err != nil {
		return &Error{Kind: KindOther, Message: "open build " + rec.ID, Err: err}
	}
	defer body.Close()
	_, err = s.s3.Client.PutObject(ctx, s.loc.Bucket, s.loc.archive(rec.ID), &held{body: body, rec: rec, digest: sha256.New(), progress: progress},
		rec.Size, minio.PutObjectOptions{
			ContentType: "application/x-tar", UserMetadata: metadata(rec),
			// Parts are read one after the other and sent side by side: at most
			// partsAtOnce of them are in memory.
			PartSize: partSize, NumThreads: partsAtOnce, ConcurrentStreamParts: true,
		})
	return err
}

// copyNewest makes JOB.tar this release, within the store, unless a later
// build is there.
func (s *Store) copyNewest(ctx context.Context, rec release.Record) (bool, error) {
	now, err := s.s3.StatObject(ctx, s.loc.Bucket, s.loc.newest(), minio.StatObjectOptions{})
	if err != nil && response(err).Code != minio.NoSuchKey {
		return false, err
	}
	if err == nil {
		if now.UserMetadata[metaRelease] == url.PathEscape(rec.ID) {
			return true, nil
		}
		if laterThan(now.UserMetadata, rec) {
			return false, nil
		}
	}
	_, err = s.s3.ComposeObject(ctx,
		minio.CopyDestOptions{
			Bucket: s.loc.Bucket, Object: s.loc.newest(),
			UserMetadata: metadata(rec), ReplaceMetadata: true, ContentType: "application/x-tar",
		},
		minio.CopySrcOptions{Bucket: s.loc.Bucket, Object: s.loc.archive(rec.ID)})
	return err == nil, err
}

// The names of an archive's metadata, spelled as HTTP spells headers.
const (
	metaRelease = "Release"
	metaSHA256  = "Sha256"
	metaCreated = "Created"
)

func metadata(rec release.Record) map[string]string {
	return map[string]string{
		metaRelease: url.PathEscape(rec.ID),
		metaSHA256:  rec.SHA256,
		metaCreated: rec.Created.UTC().Format(time.RFC3339),
	}
}

func laterThan(meta map[string]string, rec release.Record) bool {
	created, err := time.Parse(time.RFC3339, meta[metaCreated])
	return err == nil && created.After(rec.Created)
}

func checkDigest(rec release.Record, n int64, digest hash.Hash) error {
	got := hex.EncodeToString(digest.Sum(nil))
	if n == rec.Size && got == rec.SHA256 {
		return nil
	}
	return notItsRecord(rec, fmt.Sprintf("it has %d bytes with sha256 %.12s, not %d bytes with %.12s", n, got, rec.Size, rec.SHA256))
}

func notItsRecord(rec release.Record, why string) error {
	return &Error{
		Kind:    KindDigest,
		Message: fmt.Sprintf("archive of release %s is not what its record says: %s", rec.ID, why),
		Hint:    "it was changed after it was built; publish the build under a new id",
	}
}

// held passes a build on and holds it against its record: the end of one that
// is something else never passes, so no object comes of it.
type held struct {
	body     io.Reader
	rec      release.Record
	digest   hash.Hash
	n        int64
	progress func(int64)
}

// Read reads.
func (h *held) Read(p []byte) (int, error) {
	n, err := h.body.Read(p)
	h.digest.Write(p[:n])
	h.n += int64(n)
	if h.n >= h.rec.Size {
		if bad := checkDigest(h.rec, h.n, h.digest); bad != nil {
			return 0, bad
		}
	}
	if h.progress != nil && n > 0 {
		h.progress(h.n)
	}
	return n, err
}

// parseRecord reads the record of a release as the store keeps it.
func parseRecord(data []byte) (release.Record, error) {
	var rec release.Record
	if err := json.Unmarshal(data, &rec); err != nil {
		return rec, &Error{Kind: KindInvalid, Message: "read a release's record", Err: err}
	}
	return rec, checkRecord(rec)
}
