// Command deliver puts a release on every server that runs the project.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// garbage is how many per cent of what is in use may lie about before it is
// collected: deliver runs beside builds, which need the memory more than it
// needs the processor.
const garbage = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, abort, stop := interruptible(context.Background(), os.Exit)
	code := run(ctx, os.Args, &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, abort: abort,
		environ: os.Environ(), flags: map[string]string{},
	})
	stop()
	os.Exit(code)
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal syscall.Signal }

// Error names the signal.
func (i interrupted) Error() string { return "interrupted: " + i.signal.String() }

// lastWords is how long a run that is stopped at once may take to tell where
// it left the servers.
const lastWords = 5 * time.Second

// interruptible ends the context at the first SIGINT, SIGTERM or SIGHUP. At a
// second one abort is closed; at a third, or after the last words, exit is called.
func interruptible(parent context.Context, exit func(int)) (ctx context.Context, abort <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	aborted := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	var watch sync.WaitGroup
	watch.Go(func() {
		if first, ok := <-signals; ok {
			cancel(interrupted{first.(syscall.Signal)})
		}
		if second, ok := <-signals; ok {
			close(aborted)
			select {
			case _, ok = <-signals:
			case <-time.After(lastWords):
			}
			if ok {
				exit(exitForSignal(second.(syscall.Signal)))
			}
		}
	})
	return ctx, aborted, func() {
		signal.Stop(signals)
		close(signals)
		watch.Wait()
		cancel(nil)
	}
}
