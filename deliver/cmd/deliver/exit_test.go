package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	assert.Equal(t, exitDone, exitCode(t.Context(), nil))
	assert.Equal(t, exitFailed, exitCode(t.Context(), errors.New("x")))
	assert.Equal(t, exitLease, exitCode(t.Context(), fmt.Errorf("push: %w", withCode(exitLease, errors.New("x")))))
	assert.NoError(t, withCode(exitFailed, nil))
	assert.EqualError(t, withCode(exitUsage, errors.New("x")), "x")

	cause := errors.New("x")
	assert.ErrorIs(t, withCode(exitUsage, cause), cause)
}

func TestAnInterruptedRunNeverReadsAsSuccess(t *testing.T) {
	t.Parallel()
	for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(interrupted{signal})
		assert.Equal(t, want, exitCode(ctx, nil))
		assert.Equal(t, want, exitCode(ctx, withCode(exitPartial, errors.New("x"))))
	}
}

// A signal goes to the whole process, so this test is alone.
func TestTheSecondSignalAbortsAndTheThirdEnds(t *testing.T) {
	codes := make(chan int, 1)
	ctx, abort, stop := interruptible(t.Context(), func(code int) { codes <- code })
	defer stop()
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGINT))
	<-ctx.Done()
	require.EqualError(t, context.Cause(ctx), "interrupted: interrupt")
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
	<-abort
	require.Empty(t, codes)
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGINT))
	require.Eventually(t, func() bool { return len(codes) == 1 }, 10*time.Second, time.Millisecond)
	require.Equal(t, 143, <-codes)
}

func TestWithoutASignalNothingIsInterrupted(t *testing.T) {
	ctx, _, stop := interruptible(t.Context(), func(int) { t.Error("it ended") })
	require.NoError(t, ctx.Err())
	stop()
	assert.Equal(t, exitDone, exitCode(ctx, nil))
}

func TestHelpShowsEveryExitCode(t *testing.T) {
	t.Parallel()
	page := overview(&environment{}, nil)
	for _, code := range []int{exitDone, exitFailed, exitUsage, exitPartial, exitLease, exitUndone, exitRefused} {
		assert.Contains(t, page, fmt.Sprintf("\n  %d  ", code))
	}
	assert.True(t, strings.HasSuffix(page, "  130, 143  interrupted\n"))
}
