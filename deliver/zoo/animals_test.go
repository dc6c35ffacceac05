package zoo

import "deliver/host"

// animal is a release that behaves in one way, and what deliver must say of it.
type animal struct {
	name string
	args string // of the app; AT is its address, ELSEWHERE another, ROOT the app's root
	old  string // of the release before it, which must be well
	good bool

	kind  host.Kind         // of the error
	words string            // in it
	told  map[string]naming // instead, by question

	restart string   // the manager's policy: always (the usual), on-failure or no
	unit    []string // lines for systemd
	pinned  bool     // the service runs from the release before, whatever current is

	managers  []string // all, if empty
	questions []string
}

const (
	plain = "-listen AT"
	page  = "http"
	port  = "tcp"
	cmd   = "command"
)

func all() []string { return []string{page, port, cmd} }

// animals are all there are. One that answers badly is well for a question
// that only opens a connection, so it is not asked that.
func animals() []animal {
	onlySystemd := []string{"systemd"}
	stays := []string{"systemd", "supervisor"} // runit starts again whatever ends
	survives := []string{"KillMode=process"}
	list := []animal{
		{name: "healthy", good: true, args: plain, questions: all()},
		{name: "starts slowly, within the deadline", good: true, args: plain + " -wait 3s -busy", questions: all()},
		{name: "warms up behind 503", good: true, args: plain + " -warm 3s", questions: []string{page, cmd}},
		{name: "a child of it answers", good: true, args: plain + " -fork", questions: all()},

		{name: "crash loop, fast", args: "-exit 1", kind: host.KindCrashLoop, words: "does not stay up", questions: all()},
		{
			name: "crash loop, slow", args: plain + " -lives 1s", kind: host.KindCrashLoop, words: "does not stay up",
			unit: []string{"RestartSec=1"}, questions: all(),
		},
		{name: "ends once, then stays", args: plain + " -lives 1s -first ROOT/once", kind: host.KindCrashLoop, words: "does not stay up", questions: all()},
		{
			name: "answers twice, then dies", args: plain + " -answers 2", kind: host.KindNotRunning, words: "does not run",
			restart: "no", managers: stays, questions: all(),
		},
		{name: "exits 0 at once", args: "-exit 0", kind: host.KindNotRunning, words: "does not run", restart: "on-failure", managers: stays, questions: all()},
		{name: "exits 0 at once, is started again", args: "-exit 0", kind: host.KindCrashLoop, words: "does not stay up", questions: all()},
		{name: "exits 1 at once, for good", args: "-exit 1", kind: host.KindNotRunning, words: "does not run", restart: "no", managers: stays, questions: all()},

		{
			name: "port held by an orphan: dies of it", old: plain + " -fork", args: plain, unit: survives,
			kind: host.KindOldRelease, words: "; a process of an earlier delivery was left behind: stop it", questions: []string{page, port},
		},
		{
			name: "port held by an orphan: waits for it", old: plain + " -fork", args: plain + " -retry", unit: survives,
			kind: host.KindOldRelease, words: "; a process of an earlier delivery was left behind: stop it", questions: []string{page, port},
		},
		{
			name: "port shared with an orphan", old: plain + " -fork -share", args: plain + " -share", unit: survives,
			kind: host.KindOldRelease, words: "; a process of an earlier delivery was left behind: stop it", questions: []string{page, port},
		},
		{name: "wrong version answers", args: plain, pinned: true, kind: host.KindOldRelease, words: "releases/v1", questions: all()},

		{name: "starts slowly, beyond the deadline", args: plain + " -wait 5m -busy", kind: host.KindSlowStart, words: "raise HEALTH_DEADLINE", questions: []string{page, port}},
		{
			name: "never says that it is ready", old: plain + " -notify", args: plain, unit: []string{"Type=notify", "TimeoutStartSec=3"},
			kind: host.KindSlowStart, words: "TimeoutStartSec", managers: onlySystemd, questions: all(),
		},
		{
			name: "never listens", kind: host.KindNoAnswer, words: "does nothing and listens on no port", questions: all(),
			told: map[string]naming{cmd: {host.KindBadAnswer, "connection refused"}}, // the command tells what it saw
		},
		{name: "listens on another port", args: "-listen ELSEWHERE", kind: host.KindNoAnswer, words: ", not on ", questions: []string{page, port}},
		{name: "hangs", args: plain + " -hang", kind: host.KindHang, words: "does not answer in time", questions: []string{page}},
		{name: "closes connections", args: plain + " -reset", kind: host.KindNoAnswer, words: "closes the connection", questions: []string{page}},
		{name: "answers 500", args: plain + " -status 500", kind: host.KindBadAnswer, words: "500", questions: []string{page, cmd}},
		{name: "out of memory", args: "-eat", kind: host.KindOutOfMemory, words: "lack of memory", managers: onlySystemd, questions: all()},
	}
	return list
}

// variant is one way to deliver an animal.
type variant struct {
	animal
	manager, question string
}

// variants are those of round n: each animal once, each time in another way.
func variants(round int) []variant {
	var found []variant
	for i, a := range animals() {
		managers := a.managers
		if len(managers) == 0 {
			managers = []string{"systemd", "runit", "supervisor"}
		}
		n := round + i
		found = append(found, variant{
			animal:  a,
			manager: managers[n%len(managers)], question: a.questions[n/len(managers)%len(a.questions)],
		})
	}
	return found
}

// naming is what an error is called, and words that must be in it.
type naming struct {
	kind  host.Kind
	words string
}

// naming is what deliver must call the animal.
func (v variant) naming() naming {
	if n, ok := v.told[v.question]; ok {
		return n
	}
	return naming{v.kind, v.words}
}
