package store_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/store"
	"deliver/store/storetest"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	server.Bucket(t, bucket)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	for name, c := range map[string]struct {
		url  string
		env  []string
		kind store.Kind
		says []string
	}{
		"wrong key": {
			env:  []string{"AWS_ACCESS_KEY_ID=nobody", "AWS_SECRET_ACCESS_KEY=x", "AWS_ENDPOINT_URL=" + server.Endpoint},
			kind: store.KindDenied, says: []string{"AWS_ACCESS_KEY_ID", "check the key"},
		},
		"wrong secret": {
			env:  []string{"AWS_ACCESS_KEY_ID=" + storetest.Key, "AWS_SECRET_ACCESS_KEY=x", "AWS_ENDPOINT_URL=" + server.Endpoint},
			kind: store.KindDenied, says: []string{"check the key"},
		},
		"no bucket": {
			url: "s3://elsewhere/dashboard", env: server.Environ(),
			kind: store.KindBucket, says: []string{"elsewhere", "make the bucket"},
		},
		"nothing listens": {
			env:  []string{"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL=" + closed.URL},
			kind: store.KindUnreachable, says: []string{closed.URL, "check the endpoint"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := c.url
			if url == "" {
				url = "s3://builds/dashboard"
			}
			st, err := store.Open(t.Context(), url, store.Options{Getenv: getenv(c.env...)})
			require.NoError(t, err)
			rec, data := build(t, "b-1", 1, []byte("x"))
			_, publishErr := st.Publish(t.Context(), rec, opener(data), nil)
			_, latestErr := st.Latest(t.Context())
			_, listErr := st.List(t.Context())
			for _, err := range []error{publishErr, latestErr, listErr} {
				assert.True(t, store.IsKind(err, c.kind), "%v", err)
				for _, words := range c.says {
					assert.ErrorContains(t, err, words)
				}
			}
		})
	}
}

func TestCredentialsAreFoundInTheirPlaces(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	server.Bucket(t, bucket)
	for name, c := range map[string]struct {
		files map[string]string
		env   []string
	}{
		"aws file": {
			files: map[string]string{".aws/credentials": "[default]\naws_access_key_id = " + storetest.Key + "\naws_secret_access_key = " + storetest.Secret + "\n"},
			env:   []string{"AWS_ENDPOINT_URL=" + server.Endpoint},
		},
		"aws profile": {
			files: map[string]string{".aws/credentials": "[default]\naws_access_key_id=no\naws_secret_access_key=no\n[ci]\naws_access_key_id = " +
				storetest.Key + "\naws_secret_access_key = " + storetest.Secret + "\n"},
			env: []string{"AWS_PROFILE=ci", "AWS_ENDPOINT_URL=" + server.Endpoint},
		},
		"s3cfg with its endpoint": {
			files: map[string]string{".s3cfg": server.S3cfg()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := append(c.env, "HOME="+home(t, c.files), "AWS_EC2_METADATA_DISABLED=true")
			st, err := store.Open(t.Context(), "s3://builds/dashboard", store.Options{Getenv: getenv(env...)})
			require.NoError(t, err)
			_, err = st.List(t.Context())
			require.NoError(t, err)
		})
	}
}

func TestTheInstancesRoleIsAskedLast(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	server.Bucket(t, bucket)
	byRole := func(role, dir string) error {
		st, err := store.Open(t.Context(), "s3://builds/dashboard", store.Options{
			Endpoint: server.Endpoint, Getenv: getenv("HOME="+dir, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+role),
		})
		require.NoError(t, err)
		_, err = st.List(t.Context())
		return err
	}
	good := storetest.StartRole(t, storetest.Key, storetest.Secret, "")
	require.NoError(t, byRole(good, t.TempDir()))

	bad := storetest.StartRole(t, "nobody", "x", "a token that the store does not know")
	err := byRole(bad, t.TempDir())
	assert.True(t, store.IsKind(err, store.KindDenied), err)
	require.ErrorContains(t, err, "the instance's role")
	assert.NoError(t, byRole(bad, home(t, map[string]string{".s3cfg": server.S3cfg()})))
}

func TestARoleWhoseTokenComesLateIsAskedForAgain(t *testing.T) {
	t.Parallel()
	server := storetest.Start(t)
	server.Bucket(t, bucket)
	var tokens atomic.Int64
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && tokens.Add(1) == 1:
			<-r.Context().Done()
		case r.Method == http.MethodPut:
			fmt.Fprint(w, "token")
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/builder"):
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Expiration":"2099-01-01T00:00:00Z"}`, storetest.Key, storetest.Secret)
		default:
			fmt.Fprint(w, "builder")
		}
	}))
	t.Cleanup(role.Close)
	st, err := store.Open(t.Context(), "s3://builds/dashboard", store.Options{
		Endpoint: server.Endpoint, Getenv: getenv("HOME="+t.TempDir(), "AWS_EC2_METADATA_SERVICE_ENDPOINT="+role.URL),
	})
	require.NoError(t, err)
	_, err = st.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, int64(2), tokens.Load())
}

func TestNoCredentialsNamesWhereItLooked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := store.Open(t.Context(), "s3://builds/dashboard", store.Options{Getenv: getenv("HOME="+dir, "AWS_EC2_METADATA_DISABLED=true")})
	assert.True(t, store.IsKind(err, store.KindCredentials), err)
	for _, words := range []string{"AWS_ACCESS_KEY_ID", filepath.Join(dir, ".aws/credentials") + " [default]", filepath.Join(dir, ".s3cfg"), "role"} {
		assert.ErrorContains(t, err, words)
	}
}

func TestHalfAKeyIsAnError(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"environment": {"AWS_ACCESS_KEY_ID=a"},
		"file":        {"HOME=" + home(t, map[string]string{".s3cfg": "[default]\naccess_key = a\n"})},
	} {
		_, err := store.Open(t.Context(), "s3://builds/dashboard", store.Options{Getenv: getenv(append(env, "AWS_EC2_METADATA_DISABLED=true")...)})
		assert.ErrorContains(t, err, "must both be set", name)
	}
}

func TestEndpointsThatAreNoAddress(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"ftp://x", "http://", "http://x/path", "http://[::1"} {
		_, err := store.Open(t.Context(), "s3://builds/dashboard", store.Options{Endpoint: endpoint, Getenv: getenv("AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b")})
		assert.True(t, store.IsKind(err, store.KindInvalid), "%s: %v", endpoint, err)
	}
}

func TestADamagedLatestIsAnError(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rec := s.publish(t, "b-1", 1)
	_, err := s.Promote(t.Context(), rec, "push")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.server.File(bucket, "dashboard/latest.json"), []byte(`{"release":"../x"}`), 0o600))
	_, err = s.Latest(t.Context())
	assert.True(t, store.IsKind(err, store.KindInvalid), err)
}

// home makes a home directory with these files.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	return dir
}
