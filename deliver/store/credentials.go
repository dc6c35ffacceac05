package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"gopkg.in/ini.v1"
)

// roleTimeout bounds the question for an instance role: on a machine that is
// no cloud instance nothing answers.
const roleTimeout = 2 * time.Second

// errAbsent says that a place holds no credentials; the next one is asked.
var errAbsent = errors.New("none there")

// source is one place where credentials may be.
type source struct {
	name string
	read func(context.Context) (*credentials.Credentials, error)
}

// findCredentials asks the usual places in their usual order. A place that is
// there but broken is an error: the next one may hold somebody else's key.
func findCredentials(ctx context.Context, env environ) (*credentials.Credentials, string, error) {
	var looked []string
	for _, src := range sources(env) {
		creds, err := src.read(ctx)
		switch {
		case err == nil:
			return creds, src.name, nil
		case !errors.Is(err, errAbsent):
			return nil, "", &Error{
				Kind: KindCredentials, Message: "read the store's credentials from " + src.name,
				Hint: "correct it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", Err: err,
			}
		}
		looked = append(looked, src.name)
	}
	return nil, "", &Error{
		Kind:    KindCredentials,
		Message: "no credentials for the store; looked in " + strings.Join(looked, ", "),
		Hint:    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write one of these files",
	}
}

func sources(env environ) []source {
	awsFile, profile := env.awsCredentials()
	s3cfg := env.s3cfg()
	return []source{
		{"the environment (AWS_ACCESS_KEY_ID)", func(context.Context) (*credentials.Credentials, error) { return fromEnv(env) }},
		{fmt.Sprintf("%s [%s]", awsFile, profile), func(context.Context) (*credentials.Credentials, error) {
			return fromINI(awsFile, profile, "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
		}},
		{s3cfg, func(context.Context) (*credentials.Credentials, error) {
			return fromINI(s3cfg, "default", "access_key", "secret_key", "access_token")
		}},
		{"the instance's role", func(ctx context.Context) (*credentials.Credentials, error) { return fromRole(ctx, env) }},
	}
}

func fromEnv(env environ) (*credentials.Credentials, error) {
	return static(env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), env("AWS_SESSION_TOKEN"))
}

func fromINI(file, section, id, secret, token string) (*credentials.Credentials, error) {
	keys, err := readINI(file, section)
	if err != nil {
		return nil, err
	}
	return static(keys[id], keys[secret], keys[token])
}

func static(id, secret, token string) (*credentials.Credentials, error) {
	switch {
	case id == "" && secret == "":
		return nil, errAbsent
	case id == "" || secret == "":
		return nil, errors.New("the access key and its secret must both be set")
	}
	return credentials.NewStaticV4(id, secret, token), nil
}

// fromRole asks the cloud for the role of this machine or container. The
// credentials renew themselves from then on.
func fromRole(ctx context.Context, env environ) (*credentials.Credentials, error) {
	if strings.EqualFold(env("AWS_EC2_METADATA_DISABLED"), "true") {
		return nil, errAbsent
	}
	client := &http.Client{Timeout: roleTimeout}
	creds := credentials.New(&credentials.IAM{Client: client, Endpoint: env("AWS_EC2_METADATA_SERVICE_ENDPOINT")})
	ctx, cancel := context.WithTimeout(ctx, 2*roleTimeout)
	defer cancel()
	with := &credentials.CredContext{Client: client, Context: ctx}
	_, err := creds.GetWithContext(with)
	if err != nil && strings.Contains(err.Error(), "401") {
		// The library waits a second for a token, and asks without one then. A busy
		// machine may take longer once.
		_, err = creds.GetWithContext(with)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAbsent, err)
	}
	return creds, nil
}

// readINI reads one section. Secrets hold # and ;, so nothing behind a value
// is a comment. An absent file or section has no keys.
func readINI(file, section string) (map[string]string, error) {
	f, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, SkipUnrecognizableLines: true}, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !f.HasSection(section):
		return nil, nil
	}
	keys := map[string]string{}
	for _, key := range f.Section(section).Keys() {
		keys[key.Name()] = key.Value()
	}
	return keys, nil
}

// environ reads an environment variable.
type environ func(string) string

func (env environ) awsCredentials() (file, profile string) {
	file, profile = env("AWS_SHARED_CREDENTIALS_FILE"), env("AWS_PROFILE")
	if file == "" {
		file = filepath.Join(env("HOME"), ".aws", "credentials")
	}
	if profile == "" {
		profile = "default"
	}
	return file, profile
}

func (env environ) s3cfg() string {
	if file := env("S3CMD_CONFIG"); file != "" {
		return file
	}
	return filepath.Join(env("HOME"), ".s3cfg")
}
