package store

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Location is where a store is: a bucket and the prefix of its keys. The last
// segment of the prefix is the job, whose name the newest archive bears.
type Location struct {
	Bucket string
	Prefix string
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseURL reads s3://BUCKET/PREFIX.
func ParseURL(raw string) (Location, error) {
	rest, ok := strings.CutPrefix(raw, "s3://")
	if !ok {
		return Location{}, invalid(raw, "it does not begin with s3://")
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	switch {
	case !bucketName.MatchString(bucket):
		return Location{}, invalid(raw, fmt.Sprintf("%q is no bucket name", bucket))
	case prefix == "":
		return Location{}, invalid(raw, "the job is missing after the bucket")
	case !cleanKey(prefix):
		return Location{}, invalid(raw, fmt.Sprintf("%q is no clean path", prefix))
	}
	return Location{Bucket: bucket, Prefix: prefix}, nil
}

// String gives the location back as ParseURL reads it.
func (l Location) String() string { return "s3://" + l.Bucket + "/" + l.Prefix }

// Job is the last segment of the prefix.
func (l Location) Job() string { return path.Base(l.Prefix) }

func (l Location) newest() string            { return l.Prefix + "/" + l.Job() + ".tar" }
func (l Location) latest() string            { return l.Prefix + "/latest.json" }
func (l Location) releases() string          { return l.Prefix + "/releases/" }
func (l Location) archive(id string) string  { return l.releases() + id + ".tar" }
func (l Location) index(id string) string    { return l.releases() + id + ".index" }
func (l Location) parcel(name string) string { return l.Prefix + "/parcels/" + name }
func (l Location) record(id string) string   { return l.releases() + id + ".json" }

func invalid(raw, why string) error {
	return &Error{
		Kind:    KindInvalid,
		Message: fmt.Sprintf("store url %q: %s", raw, why),
		Hint:    "write it as s3://BUCKET/JOB",
	}
}

// cleanKey holds for keys that are the same path on every kind of store,
// those on a file system too.
func cleanKey(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if !segmentOK(segment) {
			return false
		}
	}
	return len(key) <= 900
}

func segmentOK(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 200 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '/' || r == '\\' || r == '\uFFFD'
	})
}
