package rules

import (
	"strings"
	"time"

	"autobuilder/build"
)

// Locked says why a lock keeps a build waiting; empty: it does not. Who locked
// the project goes on, and so does the way back that autobuilder takes itself.
func Locked(lock *build.Lock, b build.Build, now time.Time) string {
	switch {
	case lock == nil || b.By == build.Itself || strings.EqualFold(lock.By, b.By):
		return ""
	case !lock.Until.IsZero() && !now.Before(lock.Until):
		return ""
	}
	return lock.Words()
}

// MayLock says why somebody may not lock a project; empty: they may.
func MayLock(lock *build.Lock, by string, now time.Time) string {
	if lock == nil || strings.EqualFold(lock.By, by) || !lock.Until.IsZero() && !now.Before(lock.Until) {
		return ""
	}
	return lock.Project + " is " + lock.Words()
}
