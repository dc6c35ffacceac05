package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"
)

// Kind tells errors apart that a caller acts on or names.
type Kind string

// The kinds of errors of a Store.
const (
	KindInvalid     Kind = "invalid"     // a url, an id or a file that cannot be read
	KindCredentials Kind = "credentials" // none were found
	KindDenied      Kind = "denied"      // the store refuses the key, or what is asked with it
	KindBucket      Kind = "bucket"      // no such bucket
	KindUnreachable Kind = "unreachable" // nothing answers at the endpoint
	KindMissing     Kind = "missing"     // no such release, or nothing promoted yet
	KindConflict    Kind = "conflict"    // the id belongs to another build
	KindDigest      Kind = "digest"      // the archive is not what its record says
	KindOther       Kind = "other"
)

// Error is an error of a Store.
type Error struct {
	Kind    Kind
	Message string
	Hint    string // what to do
	Err     error  // the cause, if there is one
}

// Error says what failed and what to do.
func (e *Error) Error() string {
	msg := e.Message
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// IsKind says whether err is an Error of this kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// wrap turns what the S3 client reports into an Error with a kind and a hint.
func (s *Store) wrap(doing string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	e := &Error{Kind: KindOther, Message: doing, Err: err}
	resp := response(err)
	switch {
	case resp.Code == "" && resp.StatusCode == 0:
		e.Kind = KindUnreachable
		e.Message = fmt.Sprintf("%s at %s", doing, s.endpoint)
		e.Hint = "check the endpoint (STORE_ENDPOINT, AWS_ENDPOINT_URL or host_base in ~/.s3cfg), the network and the proxy"
	case keyRefused(resp):
		e.Kind = KindDenied
		e.Message = fmt.Sprintf("%s with the key from %s", doing, s.keyFrom)
		e.Hint = "check the key and its secret, and that it may s3:ListBucket, s3:GetObject and s3:PutObject on " + s.loc.String()
	case resp.Code == minio.NoSuchBucket:
		e.Kind = KindBucket
		e.Message = fmt.Sprintf("%s: bucket %s at %s", doing, s.loc.Bucket, s.endpoint)
		e.Hint = "make the bucket, or correct the store's url"
	case resp.Code == minio.NoSuchKey:
		e.Kind = KindMissing
	}
	return e
}

func response(err error) minio.ErrorResponse {
	var resp minio.ErrorResponse
	errors.As(err, &resp)
	return resp
}

// keyRefused knows the codes of AWS and of its likes: some of them say 404
// for an access key that they do not know.
func keyRefused(resp minio.ErrorResponse) bool {
	switch resp.Code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "XAdminUserNotFound", "XAdminNoSuchUser",
		"InvalidToken", "InvalidTokenId", "ExpiredToken", "AuthorizationHeaderMalformed", minio.AccessDenied:
		return true
	}
	return resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized
}

// changedMeanwhile says that a conditional write lost against another one.
func changedMeanwhile(err error) bool {
	resp := response(err)
	return resp.StatusCode == http.StatusPreconditionFailed || resp.StatusCode == http.StatusConflict ||
		resp.Code == minio.PreconditionFailed || resp.Code == "ConditionalRequestConflict"
}
