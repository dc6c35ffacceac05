package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"
)

// documentLimit bounds what is read of a JSON file in the store.
const documentLimit = 1 << 20

// readDocument gets a small object whole, with the ETag of what was read.
func (s *Store) readDocument(ctx context.Context, key string) ([]byte, string, error) {
	body, info, _, err := s.s3.GetObject(ctx, s.loc.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, documentLimit+1))
	switch {
	case err != nil:
		return nil, "", err
	case len(data) > documentLimit:
		return nil, "", &Error{Kind: KindInvalid, Message: fmt.Sprintf("%s is larger than %d bytes", key, documentLimit)}
	}
	return data, info.ETag, nil
}

// writeDocument puts a small object on condition that it still has this
// ETag, or with an empty one, that there is none.
func (s *Store) writeDocument(ctx context.Context, key, etag string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	opts := minio.PutObjectOptions{ContentType: "application/json"}
	if etag == "" {
		opts.SetMatchETagExcept("*")
	} else {
		opts.SetMatchETag(etag)
	}
	_, err = s.s3.Client.PutObject(ctx, s.loc.Bucket, key, bytes.NewReader(data), int64(len(data)), opts)
	return err
}
