// Command deliver puts a release on every server that runs the project.
package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func main() {
	ctx, stop := interruptible(context.Background(), os.Exit)
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

// Error names the signal.
func (i interrupted) Error() string { return "interrupted: " + i.signal.String() }

// interruptible ends the context at the first SIGINT, SIGTERM or SIGHUP; at a
// second one it calls exit at once.
func interruptible(parent context.Context, exit func(int)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	var watch sync.WaitGroup
	watch.Go(func() {
		if first, ok := <-signals; ok {
			cancel(interrupted{first.(syscall.Signal)})
		}
		if second, ok := <-signals; ok {
			exit(exitForSignal(second.(syscall.Signal)))
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		watch.Wait()
		cancel(nil)
	}
}
