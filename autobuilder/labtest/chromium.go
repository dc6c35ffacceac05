package labtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const browserTime = 5 * time.Minute

// Browse starts a Chromium that ends with the test.
func Browse(t testing.TB) context.Context {
	t.Helper()
	program := Program(t, "chromium")
	own, err := os.MkdirTemp("", "browser") // it leaves its files there, also after it has ended well
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Env("TMPDIR="+own))
	ctx, stop := context.WithTimeout(t.Context(), browserTime)
	t.Cleanup(stop)
	ctx, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stopAllocator)
	ctx, stopBrowser := chromedp.NewContext(ctx)
	t.Cleanup(stopBrowser)
	return ctx
}

// Until waits for an expression to be true in the page, also while that is on its
// way to another.
func Until(expression string) chromedp.Action[chromedp.Void] {
	look := chromedp.Evaluate[bool](expression)
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		next := time.NewTicker(tick)
		defer next.Stop()
		for {
			yes, err := look(ctx, t)
			if err == nil && yes {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s: %w", expression, errors.Join(ctx.Err(), err))
			case <-next.C:
			}
		}
	})
}
