// Package storetest starts a real S3 server for tests.
package storetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The key and secret of every server that Start starts. The secret holds what
// readers of ini files take for comments.
const (
	Key    = "testkey"
	Secret = "test #secret;1"
)

// Server is an S3 server on this machine. Its objects are plain files.
type Server struct {
	Endpoint string
	Address  string // host:port of Endpoint
	dir      string
}

// Start starts an S3 server that ends with the test. Without versitygw on this
// machine the test is skipped, or fails where nothing may be skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	program := find(t, "versitygw")
	dir := filepath.Join(t.TempDir(), "s3")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	addr := freeAddress(t)
	cmd := exec.Command(program, "-q", "--port", addr, "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+Key, "ROOT_SECRET_KEY="+Secret)
	run(t, cmd, addr)
	return &Server{Endpoint: "http://" + addr, Address: addr, dir: dir}
}

// Bucket makes a bucket.
func (s *Server) Bucket(t testing.TB, name string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, name), 0o755))
}

// File is where the object of a bucket lies as a file.
func (s *Server) File(bucket, key string) string {
	return filepath.Join(s.dir, bucket, filepath.FromSlash(key))
}

// Environ is the environment that leads to this server, as NAME=VALUE.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + Key,
		"AWS_SECRET_ACCESS_KEY=" + Secret,
		"AWS_ENDPOINT_URL=" + s.Endpoint,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// S3cfg is the text of a ~/.s3cfg that leads to this server.
func (s *Server) S3cfg() string {
	return fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\n"+
		"use_https = False\nsignature_v2 = False\nbucket_location = us-east-1\n", Key, Secret, s.Address, s.Address)
}

// Need is find for those who only want to know that Start would find it.
func Need(t testing.TB) { find(t, "versitygw") }

// find looks for a program in PATH and in .cache/bin of the checkout.
func find(t testing.TB, name string) string {
	t.Helper()
	if program, err := exec.LookPath(name); err == nil {
		return program
	}
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		program := filepath.Join(dir, ".cache", "bin", name)
		if _, err := os.Stat(program); err == nil {
			return program
		}
	}
	reason := "needs " + name + " in PATH or in .cache/bin of the checkout: lab/requirements --install test"
	if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func accepts(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
