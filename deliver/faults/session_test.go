package faults_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// session is what h2's sshd starts instead of what it is asked for: this
// test's own binary. In the directory $MACHINE, the file kill has the number
// of a message and whose it is; session has how many there were of which side.
// The far side is killed before it gets, or before it can send, this message.
type session struct {
	machine string
	at      int
	how     string
	far     *exec.Cmd
}

func runSession() int {
	s := &session{machine: os.Getenv("MACHINE")}
	text, err := os.ReadFile(filepath.Join(s.machine, "kill"))
	if _, scanErr := fmt.Sscan(string(text), &s.at, &s.how); err != nil || scanErr != nil {
		fmt.Fprintln(os.Stderr, err, scanErr)
		return 1
	}
	s.far = exec.Command("sh", "-c", os.Getenv("SSH_ORIGINAL_COMMAND"))
	s.far.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.far.Stderr = os.Stderr
	in, inErr := s.far.StdinPipe()
	out, outErr := s.far.StdoutPipe()
	if err := errors.Join(inErr, outErr, s.far.Start()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		s.pass(in, os.Stdin, "before")
		in.Close()
	}()
	s.pass(os.Stdout, out, "after")
	_ = s.far.Wait()
	return s.far.ProcessState.ExitCode()
}

// pass passes on what one side says, up to the message that it is not to say.
func (s *session) pass(to io.Writer, from io.Reader, how string) {
	in := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if _, writeErr := to.Write(line); err != nil || writeErr != nil {
			return
		}
		if bytes.HasPrefix(line, []byte("deliver conversation")) {
			break
		}
	}
	for {
		f, isMessage, err := readFrame(in)
		if err != nil {
			return
		}
		if isMessage && how == s.how && s.count() == s.at {
			_ = os.WriteFile(filepath.Join(s.machine, "struck"), nil, 0o600)
			_ = syscall.Kill(-s.far.Process.Pid, syscall.SIGKILL)
			os.Exit(137)
		}
		if _, err := to.Write(f); err != nil {
			return
		}
	}
}

// count counts a message, over all sessions.
func (s *session) count() int {
	name := filepath.Join(s.machine, "session")
	text, _ := os.ReadFile(name)
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	_ = os.WriteFile(name, []byte(strconv.Itoa(n+1)), 0o600)
	return n + 1
}

// readFrame reads a frame as docs/architecture.md has it.
func readFrame(in *bufio.Reader) (whole []byte, isMessage bool, err error) {
	head, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, false, err
	}
	size, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, false, err
	}
	payload := make([]byte, size)
	_, err = io.ReadFull(in, payload)
	whole = binary.AppendUvarint(binary.AppendUvarint(nil, head), size)
	return append(whole, payload...), head%5 == 0, err
}
