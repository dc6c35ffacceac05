package store

import (
	"context"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// A parcel is an object that servers read while a delivery lasts. One that a
// delivery which was killed has left is removed by a later one.

// parcelAge is how old a parcel is that nobody can be reading any more.
const parcelAge = 24 * time.Hour

// Deposit puts what r gives into the store, as the parcel of this name.
func (s *Store) Deposit(ctx context.Context, name string, r io.Reader) error {
	s.sweep(ctx)
	// Its size is not known yet: parts are sent as they are made.
	_, err := s.s3.Client.PutObject(ctx, s.loc.Bucket, s.loc.parcel(name), r, -1, minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: partSize, NumThreads: partsAtOnce, ConcurrentStreamParts: true,
	})
	return s.wrap("upload parcel "+name, err)
}

// Presign gives an address from which anybody can read the parcel for some
// time: a secret.
func (s *Store) Presign(ctx context.Context, name string, valid time.Duration) (string, error) {
	u, err := s.s3.PresignedGetObject(ctx, s.loc.Bucket, s.loc.parcel(name), valid, nil)
	if err != nil {
		return "", s.wrap("sign an address of parcel "+name, err)
	}
	return u.String(), nil
}

// Withdraw removes the parcel.
func (s *Store) Withdraw(ctx context.Context, name string) error {
	err := s.s3.RemoveObject(ctx, s.loc.Bucket, s.loc.parcel(name), minio.RemoveObjectOptions{})
	return s.wrap("remove parcel "+name, err)
}

// sweep removes old parcels. What it can't remove costs money and harms nobody.
func (s *Store) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for object := range s.s3.ListObjectsIter(ctx, s.loc.Bucket, minio.ListObjectsOptions{Prefix: s.loc.parcel("")}) {
		if object.Err != nil {
			return
		}
		if time.Since(object.LastModified) > parcelAge {
			_ = s.s3.RemoveObject(ctx, s.loc.Bucket, object.Key, minio.RemoveObjectOptions{})
		}
	}
}
