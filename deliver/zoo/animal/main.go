// Command animal is an app whose behaviour its release chooses: it reads its
// arguments from the file args in its working directory, so that the zoo's
// releases differ in nothing else.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "animal:", err)
		os.Exit(1)
	}
}

// behaviour is what an animal does.
type behaviour struct {
	listen  string        // where, nowhere if empty
	share   bool          // the port with others who share it
	retry   bool          // while the port is taken
	fork    bool          // a child in a session of its own serves, and outlives this process
	wait    time.Duration // before it listens
	busy    bool          // while it waits
	warm    time.Duration // answers 503 so long
	status  int
	notify  bool // tells systemd when it listens
	hang    bool // takes connections and never answers
	reset   bool // closes them at once
	answers int  // ends after so many connections
	lives   time.Duration
	first   string // only where this file is not there yet
	exit    int    // at once, with this status
	eat     bool
	memory  string // the control group that bounds what it eats
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "ask" {
		return ask(args[1])
	}
	if len(args) == 0 {
		content, err := os.ReadFile("args")
		if err != nil {
			return err
		}
		args = strings.Fields(string(content))
	}
	b, err := parse(args)
	if err != nil {
		return err
	}
	b.tame()
	return b.live(args)
}

func parse(args []string) (*behaviour, error) {
	b := &behaviour{}
	flags := flag.NewFlagSet("animal", flag.ContinueOnError)
	flags.StringVar(&b.listen, "listen", "", "address")
	flags.BoolVar(&b.share, "share", false, "the port")
	flags.BoolVar(&b.retry, "retry", false, "to listen")
	flags.BoolVar(&b.fork, "fork", false, "a child that serves")
	flags.DurationVar(&b.wait, "wait", 0, "before it listens")
	flags.BoolVar(&b.busy, "busy", false, "while it waits")
	flags.DurationVar(&b.warm, "warm", 0, "answers 503 so long")
	flags.IntVar(&b.status, "status", http.StatusOK, "of its answers")
	flags.BoolVar(&b.notify, "notify", false, "tell systemd when it listens")
	flags.BoolVar(&b.hang, "hang", false, "never answer")
	flags.BoolVar(&b.reset, "reset", false, "close connections at once")
	flags.IntVar(&b.answers, "answers", 0, "end after so many")
	flags.DurationVar(&b.lives, "lives", 0, "after the first connection")
	flags.StringVar(&b.first, "first", "", "misbehave only where this file is not there yet")
	flags.IntVar(&b.exit, "exit", -1, "end at once with this status")
	flags.BoolVar(&b.eat, "eat", false, "memory")
	flags.StringVar(&b.memory, "memory", "", "control group to eat in")
	return b, flags.Parse(args)
}

// tame makes it well where it has misbehaved before.
func (b *behaviour) tame() {
	if b.first == "" {
		return
	}
	f, err := os.OpenFile(b.first, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		b.exit, b.lives, b.answers = -1, 0, 0
		return
	}
	_ = f.Close()
}

func (b *behaviour) live(args []string) error {
	if b.exit >= 0 {
		fmt.Fprintln(os.Stderr, "animal: cannot read its settings")
		os.Exit(b.exit)
	}
	if b.eat {
		return b.overeat()
	}
	b.prepare()
	if b.fork {
		return forkAndWait(args)
	}
	if b.listen == "" {
		awaitTerm()
		return nil
	}
	return b.serve()
}

// prepare passes the time before it listens.
func (b *behaviour) prepare() {
	if b.wait == 0 {
		return
	}
	over := time.After(b.wait)
	turn := time.NewTicker(100 * time.Millisecond)
	defer turn.Stop()
	for {
		select {
		case <-over:
			return
		case <-turn.C:
			if b.busy {
				work(40 * time.Millisecond)
			}
		}
	}
}

// work keeps a processor busy.
func work(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
		_ = strings.Repeat("x", 1<<10)
	}
}

// forkAndWait leaves a child behind that no service manager knows.
func forkAndWait(args []string) error {
	var rest []string
	for _, arg := range args {
		if arg != "-fork" {
			rest = append(rest, arg)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.CommandContext(context.Background(), exe, rest...)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	awaitTerm()
	return nil
}

func awaitTerm() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	<-ended
}

// tellSystemd says that it is ready.
func tellSystemd() error {
	socket := &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"}
	conn, err := net.DialUnix(socket.Net, nil, socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "READY=1")
	return err
}

// overeat takes memory until the kernel ends it; where nothing bounds it, it
// stops before the machine suffers.
func (b *behaviour) overeat() error {
	if b.memory != "" {
		if err := os.WriteFile(b.memory+"/cgroup.procs", []byte("0"), 0o600); err != nil {
			return err
		}
	}
	var eaten [][]byte
	for range 300 {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(i)
		}
		eaten = append(eaten, piece)
	}
	return fmt.Errorf("%d MiB were not enough", len(eaten))
}

func (b *behaviour) serve() error {
	l, err := b.open()
	if err != nil {
		return err
	}
	if b.notify {
		if err := tellSystemd(); err != nil {
			return err
		}
	}
	born := time.Now()
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case b.hang:
				<-r.Context().Done()
			case time.Since(born) < b.warm:
				http.Error(w, "warming up", http.StatusServiceUnavailable)
			default:
				if r.URL.Path == "/slow" {
					<-time.After(time.Second)
				}
				w.WriteHeader(b.status)
				_, _ = io.WriteString(w, "a line of an animal\n")
			}
		}),
	}
	return server.Serve(&gate{Listener: l, behaviour: b})
}

// open listens as it is told to.
func (b *behaviour) open() (net.Listener, error) {
	config := net.ListenConfig{}
	if b.share {
		config.Control = func(_, _ string, c syscall.RawConn) error {
			var err error
			controlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
			if controlErr != nil {
				return controlErr
			}
			return err
		}
	}
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		l, err := config.Listen(context.Background(), "tcp", b.listen)
		if err == nil || !b.retry {
			return l, err
		}
		<-again.C
	}
}

// gate counts connections, and ends the animal by them.
type gate struct {
	net.Listener
	*behaviour
	taken int
}

// Accept takes the next connection.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return conn, err
		}
		g.taken++
		if g.taken == 1 && g.lives > 0 {
			time.AfterFunc(g.lives, func() { os.Exit(3) })
		}
		if g.answers > 0 && g.taken == g.answers {
			time.AfterFunc(100*time.Millisecond, func() { os.Exit(3) })
		}
		if !g.reset {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// ask is a health command: it asks one page.
func ask(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
