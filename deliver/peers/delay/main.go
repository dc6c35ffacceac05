// Command delay is a router between two networks of this machine that are to be
// far from each other: it holds every packet back for half of a round trip.
// Not every kernel can do that by itself.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	namespace := flag.String("namespace", "", "the network namespace of one side")
	inside := flag.String("inside", "", "the name of the interface there")
	outside := flag.String("outside", "", "the name of the interface here")
	roundTrip := flag.Duration("round-trip", 0, "how long a packet and its answer are on their way")
	flag.Parse()
	if err := run(*namespace, *inside, *outside, *roundTrip/2); err != nil {
		log.Fatal(err)
	}
}

func run(namespace, inside, outside string, oneWay time.Duration) error {
	near, err := tunnel(outside)
	if err != nil {
		return err
	}
	far, err := tunnelIn(namespace, inside)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- relay(near, far, oneWay) }()
	go func() { ended <- relay(far, near, oneWay) }()
	return <-ended
}

// tunnel makes an interface whose packets this program reads and writes.
func tunnel(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return 0, fmt.Errorf("make interface %s: %w", name, err)
	}
	return fd, nil
}

// tunnelIn makes one in another network namespace.
func tunnelIn(namespace, name string) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return 0, err
	}
	defer here.Close()
	there, err := os.Open(namespace)
	if err != nil {
		return 0, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return 0, fmt.Errorf("enter %s: %w", namespace, err)
	}
	fd, err := tunnel(name)
	return fd, errors.Join(err, unix.Setns(int(here.Fd()), unix.CLONE_NEWNET))
}

// packet is one that is held back.
type packet struct {
	due   time.Time
	bytes []byte
}

// inFlight is how many packets may be on their way in one direction.
const inFlight = 20_000

// relay passes packets on, each when it is due. It sleeps in the kernel and
// not by Go's timers, which are late by as much as a link of 1 Gbit/s needs for a hundred packets.
func relay(from, to int, oneWay time.Duration) error {
	held, free := make(chan packet, inFlight), make(chan []byte, inFlight)
	go func() {
		runtime.LockOSThread()
		for p := range held {
			if wait := time.Until(p.due); wait > 0 {
				pause := unix.NsecToTimespec(int64(wait))
				_ = unix.Nanosleep(&pause, nil)
			}
			_, _ = unix.Write(to, p.bytes) // a router loses what it cannot pass on
			select {
			case free <- p.bytes[:cap(p.bytes)]:
			default:
			}
		}
	}()
	defer close(held)
	for {
		buf := buffer(free)
		n, err := unix.Read(from, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("read packets: %w", err)
		default:
			held <- packet{time.Now().Add(oneWay), buf[:n]}
		}
	}
}

func buffer(free chan []byte) []byte {
	select {
	case b := <-free:
		return b
	default:
		return make([]byte, 2048)
	}
}
