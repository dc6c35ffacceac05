// Command deliver-host is what deliver puts on servers and starts there: the far
// side of a connection, and nothing else of deliver.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"

	"deliver/host"
)

func main() {
	// What was begun here ends whole, also when the connection breaks.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	collectLater()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without the process around it: it gives the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, told io.Writer) int {
	err := errByHand
	if slices.Equal(args, []string{"host"}) {
		err = host.Serve(ctx, in, out)
	}
	if err != nil {
		_, _ = fmt.Fprintf(told, "deliver-host: %v\n", err)
		return 1
	}
	return 0
}

// collectLater has garbage be collected for the first time when there are 32 MB,
// which most deliveries never come to, and from then on as usual.
func collectLater() {
	const first = 800 // percent of the 4 MB with which Go begins otherwise
	usual := debug.SetGCPercent(first)
	runtime.AddCleanup(new([64]byte), func(usual int) { debug.SetGCPercent(usual) }, usual)
}

var errByHand = errors.New("deliver starts this here by itself, through SSH; to deliver, run deliver on your own machine")
