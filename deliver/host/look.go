package host

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"deliver/release"
)

// Look reports the server's state and changes nothing. Where this user could
// not receive a release, it says so by an error of KindDenied beside the state.
func (l *Local) Look(ctx context.Context, service Service) (State, error) {
	current, err := l.currentID()
	if err != nil {
		return State{}, err
	}
	shelf, err := l.shelf()
	if err != nil {
		return State{}, err
	}
	entries, err := l.history()
	if err != nil {
		return State{}, err
	}
	once, err := l.ranOnce()
	if err != nil {
		return State{}, err
	}
	bytes, inodes, err := free(l.root)
	if err != nil {
		return State{}, err
	}
	lease, err := l.readLease()
	if err != nil {
		return State{}, err
	}
	pin, err := l.pin()
	if err != nil {
		return State{}, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return State{}, fmt.Errorf("look: %w", err)
	}
	return State{
		Hostname: hostname, User: userName(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Root: l.root, Current: current, Since: l.since(), Releases: recordsOf(shelf),
		FreeBytes: bytes, FreeInodes: inodes,
		Service: l.lookService(ctx, service),
		History: entries[max(0, len(entries)-recentEntries):],
		Once:    once,
		Version: version(), Lease: lease.Lease, Pin: pin,
	}, l.checkWritable()
}

// lookService never fails: what is wrong is told in its Detail.
func (l *Local) lookService(ctx context.Context, service Service) ServiceState {
	_, seen, err := l.findManager(ctx, service)
	if err != nil {
		return ServiceState{Manager: service.Manager, Known: seen.Known, Detail: err.Error()}
	}
	seen.Restart = service.restartCommands(seen)
	return seen.ServiceState
}

// since is when `current` was switched to.
func (l *Local) since() time.Time {
	info, err := os.Lstat(l.current())
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func recordsOf(shelf []shelved) []release.Record {
	var records []release.Record
	for _, s := range shelf {
		records = append(records, s.Record)
	}
	return records
}

// version is that of the running program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}
