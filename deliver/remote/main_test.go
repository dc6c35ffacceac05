package remote_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"deliver/host"
)

// The test binary is also what it tests against: `host` makes it the helper,
// `proxy` a ProxyCommand.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "host" {
		signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
		if err := host.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 4 && os.Args[1] == "proxy" {
		os.Exit(proxy(os.Args[2], os.Args[3], os.Args[4]))
	}
	os.Exit(m.Run())
}

// proxy connects its input and output to host:port, and leaves its pid in a file.
func proxy(pidFile, name, port string) int {
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(name, port))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _, _ = io.Copy(conn, os.Stdin) }()
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}
