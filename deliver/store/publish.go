package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"

	"deliver/release"
)

// Published is what Publish did.
type Published struct {
	Already bool // the release was there; nothing was uploaded
	Newest  bool // JOB.tar is this release
}

// Opener opens the uncompressed tar of a build from its beginning.
type Opener func() (io.ReadCloser, error)

// Publish puts a release into the store: the archive, then its record, then
// JOB.tar unless that is of a later build. A release that is there with the
// same digest costs nothing, and tar is not opened; one with another digest
// is refused, for an id is one build for ever. An upload that was cut leaves
// no record, so no one takes it for a release. progress gets the bytes read
// so far; it may be nil.
func (s *Store) Publish(ctx context.Context, rec release.Record, tar Opener, progress func(int64)) (Published, error) {
	if err := checkRecord(rec); err != nil {
		return Published{}, err
	}
	there, already, err := s.has(ctx, rec)
	switch {
	case err != nil:
		return Published{}, err
	case already:
		rec = there
	default:
		if err := s.upload(ctx, rec, tar, progress); err != nil {
			return Published{}, s.wrap("upload "+rec.ID, err)
		}
		if already, err = s.commit(ctx, rec); err != nil {
			return Published{}, err
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

// has says whether the release is in the store, with its record there, and
// refuses an id that is another build's.
func (s *Store) has(ctx context.Context, rec release.Record) (release.Record, bool, error) {
	there, err := s.Record(ctx, rec.ID)
	switch {
	case IsKind(err, KindMissing):
		return rec, false, nil
	case err != nil:
		return rec, false, err
	case there.SHA256 != rec.SHA256:
		return rec, false, &Error{
			Kind: KindConflict,
			Message: fmt.Sprintf("release %s is in %s already as another build (sha256 %.12s there, %.12s here)",
				rec.ID, s.loc, there.SHA256, rec.SHA256),
			Hint: "give this build an id of its own (BUILD_TAG)",
		}
	}
	return there, true, nil
}

func (s *Store) upload(ctx context.Context, rec release.Record, tar Opener, progress func(int64)) error {
	body, err := tar()
	if err != nil {
		return &Error{Kind: KindOther, Message: "open build " + rec.ID, Err: err}
	}
	defer body.Close()
	digest := sha256.New()
	reader := &counter{reader: io.TeeReader(body, digest), progress: progress}
	_, err = s.s3.Client.PutObject(ctx, s.loc.Bucket, s.loc.archive(rec.ID), reader, rec.Size, minio.PutObjectOptions{
		ContentType:  "application/x-tar",
		UserMetadata: metadata(rec),
	})
	if err != nil {
		return err
	}
	return checkDigest(rec, reader.n, digest)
}

// commit writes the record; from then on the release is in the store. Who
// loses against another publisher of the same build has nothing left to do.
func (s *Store) commit(ctx context.Context, rec release.Record) (already bool, err error) {
	err = s.writeDocument(ctx, s.loc.record(rec.ID), "", rec)
	if changedMeanwhile(err) {
		_, already, err = s.has(ctx, rec)
		return already, err
	}
	return false, s.wrap("write the record of "+rec.ID, err)
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
	if got := hex.EncodeToString(digest.Sum(nil)); n != rec.Size || got != rec.SHA256 {
		return &Error{
			Kind: KindDigest,
			Message: fmt.Sprintf("archive of release %s is not what its record says (%d bytes, sha256 %.12s; expected %d bytes, sha256 %.12s)",
				rec.ID, n, got, rec.Size, rec.SHA256),
			Hint: "it was changed after it was built; publish the release under a new id",
		}
	}
	return nil
}

// counter counts what passes through it.
type counter struct {
	reader   io.Reader
	n        int64
	progress func(int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	c.n += int64(n)
	if c.progress != nil && n > 0 {
		c.progress(c.n)
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
