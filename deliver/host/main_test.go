package host_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"deliver/host"
)

// TestMain lets this binary be what the tests need as processes of their own.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("HOST_TEST_SERVE") != "":
		signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
		if err := host.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv("HOST_TEST_APP") != "":
		fmt.Fprintln(os.Stderr, runApp(os.Getenv("HOST_TEST_APP")))
		os.Exit(1)
	case os.Getenv("HOST_TEST_SHELL") != "":
		if err := beShell(os.Getenv("HOST_TEST_SHELL"), os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// runApp is an app that answers with the release that it runs from.
func runApp(address string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, filepath.Base(dir))
	}))
}

func testBinary() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// must skips a test that needs what this machine lacks; where nothing may be
// lacking it fails.
func must(t *testing.T, there bool, reason string) {
	t.Helper()
	if !have(t, there, reason) {
		t.Skip("it needs " + reason)
	}
}

// have is must for a part of a test.
func have(t *testing.T, there bool, reason string) bool {
	t.Helper()
	if !there && (os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1") {
		t.Fatal("it needs " + reason)
	}
	return there
}

func mustBeRoot(t *testing.T) {
	t.Helper()
	must(t, os.Geteuid() == 0, "to be root")
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}
