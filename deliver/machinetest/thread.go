package machinetest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"deliver/sshdtest"
)

// thread is a thread of this process that sees a network and mounts of its
// own. So does what is started from it, and the kernel takes all of it away with
// the thread, however the test ends.
type thread struct {
	id    int
	work  chan func()
	ended chan struct{}
}

func startThread(t testing.TB) *thread {
	t.Helper()
	th := &thread{work: make(chan func()), ended: make(chan struct{})}
	begun := make(chan error)
	go func() {
		defer close(th.ended)
		runtime.LockOSThread() // for good: nobody else may run on it, and it ends with this goroutine
		th.id = unix.Gettid()
		begun <- isolate()
		for do := range th.work {
			do()
		}
	}()
	err := <-begun
	t.Cleanup(func() {
		close(th.work)
		<-th.ended
	})
	if errors.Is(err, unix.EPERM) {
		sshdtest.NeedThat(t, false, "root that may make namespaces")
	}
	if err != nil {
		t.Fatalf("make namespaces: %v", err)
	}
	return th
}

// isolate gives this thread a network and mounts that nobody else sees.
func isolate() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

// do does something on the thread, and waits for it.
func (th *thread) do(f func()) {
	done := make(chan struct{})
	th.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

// path is where everybody else sees what the thread sees at path.
func (th *thread) path(path string) string {
	return fmt.Sprintf("/proc/%d/task/%d/root%s", os.Getpid(), th.id, path)
}
