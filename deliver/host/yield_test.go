package host_test

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/host"
)

// A thread that ends takes with it what was started from it to die with it.
func TestAThreadThatYieldsStays(t *testing.T) {
	t.Parallel()
	must(t, unix.Geteuid() == 0, "root, who may raise a priority")
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var over sync.WaitGroup
	over.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		assert.NoError(t, cmd.Start())
		before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		assert.NoError(t, err)
		back := host.Yield()
		during, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		assert.NoError(t, err)
		back()
		after, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		assert.NoError(t, err)
		assert.Equal(t, []int{1, before}, []int{during, after})
	})
	over.Wait()
	for range 100 { // the runtime has had occasion to end what is to end
		runtime.Gosched()
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM)) // the first signal is what ends it
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	assert.Equal(t, syscall.SIGTERM, exit.Sys().(syscall.WaitStatus).Signal())
}
