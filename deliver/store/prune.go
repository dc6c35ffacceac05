package store

import (
	"context"
	"slices"

	"github.com/minio/minio-go/v7"

	"deliver/release"
)

// Prune removes all releases but the newest keep, and reports which. The
// newest good one is never removed, nor are those to spare. Of a release the
// archive goes first: what is cut there is no release any more.
func (s *Store) Prune(ctx context.Context, keep int, spare []string) ([]string, error) {
	records, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	latest, err := s.Latest(ctx)
	if err != nil && !IsKind(err, KindMissing) {
		return nil, err
	}
	spare = append(slices.Clone(spare), latest.Release)
	var removed []string
	for _, id := range superfluous(records, keep, spare) {
		for _, key := range []string{s.loc.archive(id), s.loc.index(id), s.loc.record(id)} {
			if err := s.s3.RemoveObject(ctx, s.loc.Bucket, key, minio.RemoveObjectOptions{}); err != nil {
				return removed, s.wrap("remove "+key, err)
			}
		}
		removed = append(removed, id)
	}
	return removed, nil
}

// superfluous picks from records, oldest first, what may go.
func superfluous(records []release.Record, keep int, spare []string) []string {
	var ids []string
	for _, rec := range records[:max(len(records)-keep, 0)] {
		if !slices.Contains(spare, rec.ID) {
			ids = append(ids, rec.ID)
		}
	}
	return ids
}
