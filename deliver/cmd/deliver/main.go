// Command deliver puts a release on every server that runs the project.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := interruptible(context.Background())
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

// Error names the signal.
func (i interrupted) Error() string { return "interrupted: " + i.signal.String() }

// interruptible ends the context at the first SIGINT, SIGTERM or SIGHUP; a
// second one ends the process at once.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for first := true; ; first = false {
			select {
			case s := <-signals:
				if !first {
					os.Exit(exitForSignal(s.(syscall.Signal)))
				}
				cancel(interrupted{s.(syscall.Signal)})
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-finished
		cancel(nil)
	}
}
