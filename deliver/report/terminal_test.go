package report_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/report"
	"deliver/rollout"
)

// pty makes a pseudo-terminal of a size.
func pty(t *testing.T, width, height uint16) (screen, program *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		lacking(t, "/dev/ptmx")
	}
	t.Cleanup(func() { _ = screen.Close() })
	fd := int(screen.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	return screen, program
}

func terminal(t *testing.T) *os.File {
	t.Helper()
	_, program := pty(t, 80, 24)
	return program
}

// lacking skips a test for want of something, where that is allowed.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("DELIVER_TEST_NO_SKIP") == "1" {
		require.Fail(t, "the machine lacks "+what)
	}
	t.Skip("the machine lacks " + what)
}

func TestOnARealTerminal(t *testing.T) {
	t.Parallel()
	screen, program := pty(t, 44, 15)
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(screen) // ends with an error when the program's side is closed
		shown <- string(text)
	}()
	bars, color := report.Detect(program, false, func(string) string { return "" })
	require.True(t, bars)
	rep := report.New(report.Options{Out: program, Bars: bars, Color: color, App: "dashboard", Strategy: "tarball"})
	o := fleetOf(6, rep.Handle).Run(t.Context())
	rep.Finish(o)
	require.NoError(t, program.Close())

	picture := onTerminal(t, strings.ReplaceAll(<-shown, "\r\n", "\n"))
	require.Equal(t, rollout.OK, o.Result)
	assert.Contains(t, picture, "DASHBOARD DELIVERED!")
	assert.Contains(t, picture, "h6    \x1b[32mswitch ok\x1b[0m")
	for line := range strings.Lines(picture) {
		assert.LessOrEqual(t, len(line), 44+len("\x1b[1m\x1b[0m\x1b[2m\x1b[0m\n"))
	}
}
