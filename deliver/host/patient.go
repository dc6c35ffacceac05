package host

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// obeying is in, but for an *os.File with reads that end when it is over:
// standard input cannot be closed under a read that waits.
func obeying(over func() error, in io.Reader) io.Reader {
	f, ok := in.(*os.File)
	if !ok {
		return in
	}
	return patientFile{over: over, file: f, fd: int32(f.Fd())}
}

type patientFile struct {
	over func() error // why it is over, if it is
	file *os.File
	fd   int32
}

// Read reads when there is something to read.
func (p patientFile) Read(buf []byte) (int, error) {
	const lookUp = 200 // milliseconds
	for {
		if err := p.over(); err != nil {
			return 0, err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: p.fd, Events: unix.POLLIN}}, lookUp)
		switch {
		case err != nil && !errors.Is(err, syscall.EINTR):
			return 0, err
		case n > 0:
			return p.file.Read(buf)
		}
	}
}
