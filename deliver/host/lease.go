package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lease says who may change a server, and until when. It ends by itself, so a
// delivery that died leaves nothing for a person to take away.
type Lease struct {
	// Token grows with each holder. A step that carries another one is refused,
	// so that a delivery that was asleep for longer than its lease changes nothing.
	Token  int64         `json:"token"`
	Run    string        `json:"run,omitempty"` // the holder's, or the last holder's
	By     string        `json:"by,omitempty"`
	Runner Runner        `json:"runner,omitzero"`
	Since  time.Time     `json:"since,omitzero"` // by the server's clock
	Beat   int64         `json:"beat,omitempty"` // how often the holder has renewed it
	Left   time.Duration `json:"left,omitempty"` // until it ends, when this was asked
}

// Held says whether the lease is somebody's now.
func (l Lease) Held() bool { return l.Run != "" && l.Left > 0 }

// Claim asks for a server's lease, or for more time.
type Claim struct {
	Run    string        `json:"run"`
	By     string        `json:"by,omitempty"`
	Runner Runner        `json:"runner,omitzero"`
	TTL    time.Duration `json:"ttl"`
	Renew  bool          `json:"renew,omitempty"` // the lease that this Server has
	// Over is the token of a holder whom the claim displaces: one that is known to be
	// dead, or that a person has decided about.
	Over  int64 `json:"over,omitempty"`
	Queue bool  `json:"queue,omitempty"` // stand in line where another holds it
}

// Claimed is the answer to a Claim.
type Claimed struct {
	Granted  bool  `json:"granted"`
	Lease    Lease `json:"lease"`              // granted, or the holder's
	Position int   `json:"position,omitempty"` // in the line, from 1
	// Current and Pin are what holds on the server now that nobody else changes it.
	Current string `json:"current,omitempty"`
	Pin     *Pin   `json:"pin,omitempty"`
}

// leaseFile is .deliver/lease.json. Ends are counted on the clock that runs
// from the boot, which nobody sets, so that a wrong wall clock ends no lease
// and makes none eternal; a boot ends all of them.
type leaseFile struct {
	Lease
	Boot string        `json:"boot"`
	Ends time.Duration `json:"ends"` // since the boot
	Line []waiter      `json:"line,omitempty"`
}

// waiter is a delivery that stands in line.
type waiter struct {
	Run  string        `json:"run"`
	Seen time.Duration `json:"seen"` // since the boot
}

const (
	// patienceInLine is after how long a waiter that does not ask any more is
	// taken for dead.
	patienceInLine = 5 * time.Second
	// stepPatience is how long a claim waits for a step of the last holder that
	// is still under way.
	stepPatience = 5 * time.Second
)

// Claim takes or renews the server's lease.
func (l *Local) Claim(ctx context.Context, claim Claim) (Claimed, error) {
	if claim.Run == "" || claim.TTL <= 0 {
		return Claimed{}, &Error{Kind: KindProtocol, Message: "a claim names its run and for how long", Hint: internalHint}
	}
	if err := l.prepare(); err != nil {
		return Claimed{}, err
	}
	if claim.Renew {
		return l.underLock(ctx, func() (Claimed, error) { return l.renew(claim) })
	}
	waiting, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	done, err := l.lockSteps(waiting)
	if err != nil && ctx.Err() == nil {
		return l.underLock(ctx, func() (Claimed, error) { return l.notYet() })
	}
	if err != nil {
		return Claimed{}, err
	}
	defer done()
	return l.underLock(ctx, func() (Claimed, error) { return l.take(claim) })
}

func (l *Local) underLock(ctx context.Context, do func() (Claimed, error)) (Claimed, error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return Claimed{}, err
	}
	defer unlock()
	return do()
}

// take grants a new lease, unless another holds it or stands before the claim.
func (l *Local) take(claim Claim) (Claimed, error) {
	file, err := l.readLease()
	if err != nil {
		return Claimed{}, err
	}
	now := sinceBoot()
	displaced := claim.Over != 0 && claim.Over == file.Token
	free := !file.Held() || file.Run == claim.Run || displaced
	position := file.stand(claim, now)
	if !free || (position > 1 && !displaced) {
		return Claimed{Lease: file.Lease, Position: position}, l.writeLease(file)
	}
	file.leave(claim.Run)
	file.Lease = Lease{
		Token: file.Token + 1, Run: claim.Run, By: claim.By, Runner: claim.Runner,
		Since: time.Now().UTC().Truncate(time.Second), Left: claim.TTL,
	}
	file.Ends = now + claim.TTL
	return l.grant(file)
}

// renew gives a holder more time. One whose lease ran out keeps it if nobody
// took it meanwhile.
func (l *Local) renew(claim Claim) (Claimed, error) {
	file, err := l.readLease()
	if err != nil {
		return Claimed{}, err
	}
	if err := l.fence(file); err != nil {
		return Claimed{}, err
	}
	file.Beat++
	file.Left, file.Ends = claim.TTL, sinceBoot()+claim.TTL
	return l.grant(file)
}

func (l *Local) grant(file leaseFile) (Claimed, error) {
	if err := l.writeLease(file); err != nil {
		return Claimed{}, err
	}
	l.token.Store(file.Token)
	current, err := l.currentID()
	if err != nil {
		return Claimed{}, err
	}
	pin, err := l.pin()
	return Claimed{Granted: true, Lease: file.Lease, Current: current, Pin: pin}, err
}

// notYet is the answer while a step of the last holder is under way.
func (l *Local) notYet() (Claimed, error) {
	file, err := l.readLease()
	return Claimed{Lease: file.Lease}, err
}

// stand gives the claim its place in the line, 1 where nobody is before it.
// Those who do not ask any more have left.
func (f *leaseFile) stand(claim Claim, now time.Duration) int {
	f.Line = slices.DeleteFunc(f.Line, func(w waiter) bool { return now-w.Seen > patienceInLine })
	at := slices.IndexFunc(f.Line, func(w waiter) bool { return w.Run == claim.Run })
	if at < 0 {
		at = len(f.Line)
		if claim.Queue {
			f.Line = append(f.Line, waiter{Run: claim.Run})
		}
	}
	if claim.Queue {
		f.Line[at].Seen = now
	}
	return at + 1
}

func (f *leaseFile) leave(run string) {
	f.Line = slices.DeleteFunc(f.Line, func(w waiter) bool { return w.Run == run })
}

// Release gives the lease back. One that is another's by now is left alone.
func (l *Local) Release(ctx context.Context) error {
	token := l.token.Swap(0)
	if token == 0 {
		return nil
	}
	_, err := l.underLock(ctx, func() (Claimed, error) {
		file, err := l.readLease()
		if err != nil || file.Token != token {
			return Claimed{}, err
		}
		file.Ends = 0
		return Claimed{}, l.writeLease(file)
	})
	return err
}

// step begins a change of the server: it checks that this Server may make it,
// and keeps other holders off until done is called. A step without a lease is
// one of a tool that works alone; it is refused while somebody has the lease.
func (l *Local) step(ctx context.Context) (done func(), err error) {
	if _, err := os.Stat(l.state("")); errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil // nothing was ever here, so nobody can hold it
	}
	done, err = l.lockSteps(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.mayChange(); err != nil {
		done()
		return nil, err
	}
	return done, nil
}

func (l *Local) mayChange() error {
	file, err := l.readLease()
	if err != nil {
		return err
	}
	if l.token.Load() != 0 {
		return l.fence(file)
	}
	if file.Held() {
		return HeldBy(file.Lease)
	}
	return nil
}

// fence refuses a token that is not the newest.
func (l *Local) fence(file leaseFile) error {
	token := l.token.Load()
	if token == file.Token {
		return nil
	}
	return &Error{
		Kind:    KindFenced,
		Message: fmt.Sprintf("the lease of this delivery ended, and %s has had it since (token %d, and this has %d)", file.who(), file.Token, token),
		Hint:    "what this server runs is for the newer delivery to say; see deliver status",
	}
}

// HeldBy is the error of a server that another delivery holds.
func HeldBy(lease Lease) *Error {
	return &Error{
		Kind:    KindLease,
		Message: fmt.Sprintf("%s delivers to it, since %s", lease.who(), lease.Since.Local().Format(time.DateTime)),
		Hint:    "--wait 10m stands in line; a delivery that died loses its lease by itself",
	}
}

func (l Lease) who() string {
	if l.Run == "" {
		return "another delivery"
	}
	if l.By == "" {
		return "run " + l.Run
	}
	return l.By + " (run " + l.Run + ")"
}

func (l *Local) lockSteps(ctx context.Context) (unlock func(), err error) {
	return l.lockFile(ctx, l.state("step"))
}

// readLease is the lease as it stands now. A file that cannot be read, as
// after a power cut, is nobody's; its next token is higher than any before.
func (l *Local) readLease() (leaseFile, error) {
	text, err := os.ReadFile(l.state("lease.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return leaseFile{}, nil
	}
	if err != nil {
		return leaseFile{}, l.wrap("read the lease", err)
	}
	return parseLease(text, bootID(), sinceBoot()), nil
}

func parseLease(text []byte, boot string, now time.Duration) leaseFile {
	var file leaseFile
	if json.Unmarshal(text, &file) != nil || file.Token < 0 {
		return leaseFile{Lease: Lease{Token: time.Now().Unix()}}
	}
	file.Left = max(file.Ends-now, 0)
	if file.Boot != boot {
		file.Left, file.Line = 0, nil
	}
	return file
}

func (l *Local) writeLease(file leaseFile) error {
	file.Boot = bootID()
	text, err := json.Marshal(file)
	if err != nil {
		return fmt.Errorf("encode the lease: %w", err)
	}
	return l.wrap("write the lease", l.save(l.state("lease.json"), append(text, '\n')))
}

// sinceBoot is the clock that counts also while the machine sleeps, and that
// nobody sets.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// bootID names the time between two boots.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// Runner is the process that holds a lease, as others on its machine can find
// it. The zero Runner is not known.
type Runner struct {
	Machine string `json:"machine,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Start   string `json:"start,omitempty"` // in the kernel's ticks
}

// ThisProcess is the Runner that calls it.
func ThisProcess() Runner {
	return Runner{Machine: machine(), PID: os.Getpid(), Start: process(os.Getpid()).startTicks()}
}

// Gone says that the process was of this machine and runs no more. One of
// another machine is never known to be gone.
func (r Runner) Gone() bool {
	if r.Machine == "" || r.Machine != machine() {
		return false
	}
	start := process(r.PID).startTicks()
	return start == "" || start != r.Start
}

// machine tells this boot of this machine, or of this container, from any other.
func machine() string {
	boot := bootID()
	space, err := os.Readlink("/proc/self/ns/pid")
	if boot == "" || err != nil {
		return ""
	}
	return boot + " " + space
}
