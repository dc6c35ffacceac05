// Package store keeps releases in S3: every archive with its record, and
// which of them is the newest good one.
package store

import (
	"context"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
)

// Options say where and how a store is reached. Their zero values are good.
type Options struct {
	Endpoint string              // http:// or https:// address; empty: AWS_ENDPOINT_URL, ~/.s3cfg, Amazon
	Region   string              // empty: AWS_REGION, or found by asking
	Getenv   func(string) string // empty: os.Getenv
}

// Store is the archive of one job. It may be used by many goroutines.
//
//	PREFIX/JOB.tar            the newest archive, JOB being the last segment of PREFIX
//	PREFIX/releases/ID.tar    each release, uncompressed
//	PREFIX/releases/ID.json   its record, which claims the id for one build
//	PREFIX/releases/ID.index  where in the archive its files are; it may be missing
//	PREFIX/latest.json        the newest good release
//	PREFIX/parcels/NAME       what servers get of a release while a delivery lasts
type Store struct {
	loc      Location
	s3       *minio.Core
	endpoint string
	keyFrom  string
}

// Open finds the credentials and makes a Store of url. It does not ask the
// store anything.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	loc, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	env := environ(opts.Getenv)
	if env == nil {
		env = os.Getenv
	}
	endpoint, err := findEndpoint(opts.Endpoint, env)
	if err != nil {
		return nil, err
	}
	creds, keyFrom, err := findCredentials(ctx, env)
	if err != nil {
		return nil, err
	}
	client, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds:        creds,
		Secure:       endpoint.Scheme == "https",
		Region:       first(opts.Region, env("AWS_REGION"), env("AWS_DEFAULT_REGION")),
		BucketLookup: lookup(isAWS(endpoint)),
		Transport:    transport(),
		MaxRetries:   4,
	})
	if err != nil {
		return nil, &Error{Kind: KindInvalid, Message: "open store " + url, Err: err}
	}
	return &Store{loc: loc, s3: client, endpoint: endpoint.String(), keyFrom: keyFrom}, nil
}

// String names the store by its url.
func (s *Store) String() string { return s.loc.String() }

// lookup is path style where the bucket is not likely to be a name of the DNS.
func lookup(aws bool) minio.BucketLookupType {
	if aws {
		return minio.BucketLookupAuto
	}
	return minio.BucketLookupPath
}

// transport bounds what can hang before a byte is answered; how long a whole
// transfer may take is the caller's context.
func transport() http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   16,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
