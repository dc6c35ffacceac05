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
	"slices"
	"syscall"

	"deliver/host"
)

func main() {
	// What was begun here ends whole, also when the connection breaks.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
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

var errByHand = errors.New("deliver starts this here by itself, through SSH; to deliver, run deliver on your own machine")
