package dispatch

import (
	"context"
	"time"

	"autobuilder/build"
	"autobuilder/rules"
)

// Lock keeps the project's builds waiting.
func (d *Dispatcher) Lock(ctx context.Context, l build.Lock) error {
	there, err := d.Ledger.LockOf(ctx, l.Project)
	if err != nil {
		return err
	}
	if why := rules.MayLock(there, l.By, l.Since); why != "" {
		return errMayNot(why)
	}
	if there != nil && there.By != l.By { // its time is over, and nobody has looked yet
		if err := d.Ledger.Unlock(ctx, l.Project, build.Itself, "its time is over"); err != nil {
			return err
		}
	}
	if err := d.Ledger.Lock(ctx, l); err != nil {
		return err
	}
	d.Log.Info("project locked", "project", l.Project, "by", l.By, "reason", l.Reason, "until", l.Until)
	d.Wake()
	return nil
}

// Unlock lets them go.
func (d *Dispatcher) Unlock(ctx context.Context, project, by, note string) error {
	if err := d.Ledger.Unlock(ctx, project, by, note); err != nil {
		return err
	}
	d.Log.Info("project unlocked", "project", project, "by", by)
	d.Wake()
	return nil
}

// lock is the one of the lane's project, if it still holds.
func (f *follower) lock(ctx context.Context) (*build.Lock, error) {
	if err := f.Ledger.Expired(ctx, time.Now()); err != nil {
		return nil, err
	}
	return f.Ledger.LockOf(ctx, f.project.Name)
}

// kept says whether the lock keeps a build waiting, and writes why.
func (f *follower) kept(ctx context.Context, lock *build.Lock, b build.Build) bool {
	why := rules.Locked(lock, b, time.Now())
	if why == "" {
		return false
	}
	after := b
	after.Why = why
	if _, err := f.move(ctx, b, after); err != nil && ctx.Err() == nil {
		f.Log.Warn("reason not written", "build", b.ID, "error", err)
	}
	return true
}

// left is the time until a lock ends by itself.
func left(lock *build.Lock) time.Duration {
	if lock == nil || lock.Until.IsZero() {
		return idle
	}
	return max(time.Until(lock.Until), 0)
}
