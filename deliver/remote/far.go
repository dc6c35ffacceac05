package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"

	"deliver/host"
)

// greeting is what a script says of the far side before anything else.
type greeting struct {
	state string // ready, unsure, missing, not-executable, no-home, damaged, installed
	words []string
}

// far is the server before its helper runs: it puts the helper there and
// starts it.
type far struct {
	name string
	root string
	find Helper
	bin  Binary // the one that runs there, or a guess
}

func newFar(name, root string, find Helper) *far {
	f := &far{name: name, root: root, find: find}
	// Most servers are Linux of this machine's kind; for another the first
	// greeting says so.
	f.bin, _ = find("linux", runtime.GOARCH)
	return f
}

// open starts the helper in a new session. Before the first one of a
// connection it is proven whole, or put there.
func (f *far) open(ctx context.Context, conn *connection) (*session, error) {
	first := f.bin.trying()
	if conn.proven {
		first = f.bin.starting()
	}
	s, g, err := f.run(ctx, conn, first)
	switch {
	case err != nil:
		return nil, err
	case g.state == "ready":
		conn.proven = true
		return s, nil
	case g.state != "unsure":
		return nil, f.surprise(s, g)
	}
	s.Close()
	return f.prove(ctx, conn)
}

// prove finds out what keeps the helper from being started, and puts it there
// where it is missing.
func (f *far) prove(ctx context.Context, conn *connection) (*session, error) {
	for put := false; ; {
		s, g, err := f.run(ctx, conn, f.bin.proving())
		switch {
		case err != nil:
			return nil, err
		case g.state == "ready":
			conn.proven = true
			return s, nil
		case g.state != "missing" || put:
			return nil, f.surprise(s, g)
		}
		s.Close()
		if put, err = f.supply(ctx, conn, g); err != nil {
			return nil, err
		}
	}
}

// supply finds the right binary for the greeting's system. When it is the one
// that was missing it is put there; else it may be there already.
func (f *far) supply(ctx context.Context, conn *connection, g greeting) (put bool, err error) {
	// The words become part of a file's name here: none may lead to another file,
	// which the server would be sent.
	if len(g.words) != 3 || strings.ContainsAny(g.words[0]+g.words[1], `/\`) {
		return false, &host.Error{Kind: host.KindProtocol, Message: fmt.Sprintf("%s: the server describes itself as %q", f.name, g.words)}
	}
	bin, err := f.find(goos(g.words[0]), goarch(g.words[1]))
	if err != nil {
		return false, prefixed(f.name, err)
	}
	if bin.SHA256 != f.bin.SHA256 {
		f.bin = bin
		return false, nil
	}
	return true, f.install(ctx, conn, g.words[2])
}

// run starts a script and reads up to its greeting.
func (f *far) run(ctx context.Context, conn *connection, what script) (*session, greeting, error) {
	s, err := f.launch(ctx, conn, what)
	if err != nil {
		return nil, greeting{}, err
	}
	g, noise, err := greeted(ctx, s)
	if err != nil {
		s.Close()
		return nil, g, f.silent(err, noise)
	}
	return s, g, nil
}

func (f *far) launch(ctx context.Context, conn *connection, what script) (*session, error) {
	command, err := what.command(f.root, f.bin)
	if err != nil {
		return nil, &host.Error{Kind: host.KindFailed, Message: fmt.Sprintf("%s: %v", f.name, err)}
	}
	return conn.start(ctx, command)
}

// greeted reads the greeting, past what the login shell's start files print.
func greeted(ctx context.Context, s *session) (g greeting, noise string, err error) {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	var printed tail
	for read := 0; read < 64<<10; {
		line, err := readLine(s.out)
		said, marked := strings.CutPrefix(line, mark)
		if words := strings.Fields(said); marked && len(words) > 0 {
			return greeting{words[0], words[1:]}, "", nil
		}
		_, _ = printed.Write([]byte(line + "\n"))
		if ctx.Err() != nil {
			err = fmt.Errorf("%s: start the helper: %w", s.conn.name, context.Cause(ctx))
		}
		if err != nil {
			return greeting{}, printed.String(), err
		}
		read += len(line) + 1
	}
	return greeting{}, printed.String(), errOnlyPrints
}

var errOnlyPrints = errors.New("it only prints")

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// silent is a login that runs no commands for us.
func (f *far) silent(err error, printed string) error {
	var e *host.Error
	switch {
	case errors.As(err, &e) && e.Kind == host.KindFailed:
		err = errors.New(strings.TrimPrefix(e.Message, f.name+": "))
	case errors.Is(err, io.EOF):
		err = errors.New("it ended at once")
	case !errors.Is(err, errOnlyPrints):
		return err
	}
	message := fmt.Sprintf("%s: the login runs no command: %v", f.name, err)
	if printed != "" {
		message += fmt.Sprintf(" (it printed: %s)", printed)
	}
	return &host.Error{Kind: host.KindFailed, Message: message, Hint: "the user needs a shell there: see its entry in passwd, and ForceCommand in sshd_config"}
}

// surprise is a greeting that no further step helps with.
func (f *far) surprise(s *session, g greeting) error {
	s.Close()
	e := &host.Error{Kind: host.KindFailed}
	switch g.state {
	case "not-executable":
		e.Message = fmt.Sprintf("%s: %s may not be executed", f.name, strings.Join(g.words, " "))
		e.Hint = "is it on a noexec mount? Remount it with exec, or set DELIVER_TO to another file system"
	case "no-home":
		e.Message = fmt.Sprintf("%s: %s is no home directory there", f.name, strings.Join(g.words, " "))
		e.Hint = "create the user on the server, or set DELIVER_TO to an absolute path"
	case "missing":
		e.Message = fmt.Sprintf("%s: the helper is gone right after it was put there", f.name)
		e.Hint = "does something clean up " + f.root + "/.deliver?"
	default:
		e.Kind = host.KindProtocol
		e.Message = fmt.Sprintf("%s: the far side said %q %q", f.name, g.state, g.words)
	}
	return e
}

// install puts the helper there.
func (f *far) install(ctx context.Context, conn *connection, how string) error {
	s, err := f.launch(ctx, conn, f.bin.installing(how))
	if err != nil {
		return err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := f.send(s, how); err != nil {
		return fmt.Errorf("%s: put the helper there: %w", f.name, err)
	}
	g, _, err := greeted(ctx, s)
	switch {
	case err != nil:
		return f.notPut(err)
	case g.state == "damaged":
		return &host.Error{Kind: host.KindDigest, Message: f.name + ": the helper did not arrive whole", Hint: "run it again"}
	case g.state != "installed":
		return f.surprise(s, g)
	}
	return nil
}

// send returns only errors of this side's file: the far side says its own.
func (f *far) send(s *session, how string) error {
	file, err := f.bin.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	// gzip writes a few hundred bytes at a time; as an SSH packet each, they
	// would keep the far side's sshd busy for half a minute.
	packets := bufio.NewWriterSize(s, 32<<10)
	source := &source{r: file}
	if convey(packets, source, how == "gzip", f.bin.Gzipped) == nil {
		_ = packets.Flush()
	}
	_ = s.CloseWrite()
	return source.err
}

// convey copies a program, as gzip has it or as it is.
func convey(to io.Writer, from io.Reader, wanted, gzipped bool) error {
	switch {
	case gzipped && !wanted:
		plain, err := gzip.NewReader(from)
		if err != nil {
			return err
		}
		_, err = io.Copy(to, plain)
		return err
	case wanted && !gzipped:
		packer, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if _, err = io.Copy(packer, from); err != nil {
			return err
		}
		return packer.Close()
	}
	_, err := io.Copy(to, from)
	return err
}

func (f *far) notPut(err error) error {
	var e *host.Error
	if !errors.As(err, &e) || e.Kind == host.KindUnreachable {
		return err
	}
	return &host.Error{
		Kind:    e.Kind,
		Message: f.name + ": put the helper there: " + strings.TrimPrefix(e.Message, f.name+": "),
		Hint:    "may this user write to " + f.root + "/.deliver/bin there, and is there room?",
	}
}

// source remembers its reader's error, which io.Copy mixes with the writer's.
type source struct {
	r   io.Reader
	err error
}

// Read reads on.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// prefixed starts an error with the host's name.
func prefixed(name string, err error) error {
	var e *host.Error
	if errors.As(err, &e) {
		return &host.Error{Kind: e.Kind, Message: name + ": " + e.Message, Hint: e.Hint}
	}
	return fmt.Errorf("%s: %w", name, err)
}

func goos(sysname string) string { return strings.ToLower(sysname) }

// goarch translates what uname -m says.
func goarch(machine string) string {
	switch machine {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	case "i386", "i486", "i586", "i686":
		return "386"
	}
	if strings.HasPrefix(machine, "arm") {
		return "arm"
	}
	return machine
}
