package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// result is what one delivery took.
type result struct {
	Peer       string        `json:"peer"`
	Servers    int           `json:"servers"`
	Far        string        `json:"far,omitempty"`
	Turn       int           `json:"turn"`
	Wall       time.Duration `json:"wall"`
	Sent       int64         `json:"sent"`     // bytes from this side to servers
	Received   int64         `json:"received"` // bytes from servers to this side
	Fetched    int64         `json:"fetched"`  // bytes from other machines to servers
	ControlCPU time.Duration `json:"control_cpu"`
	ServersCPU time.Duration `json:"servers_cpu"` // of all of them
	OtherCPU   time.Duration `json:"other_cpu"`   // of who else was at work on this machine
	Memory     int64         `json:"memory"`      // most of all processes of this side
}

// usage is what was used up to some moment.
type usage struct {
	at                      time.Time
	sent, received, fetched int64
	control, servers, all   time.Duration
}

func (l *lab) usage() usage {
	u := usage{at: time.Now(), control: l.control.used(l.t), servers: l.servers.used(l.t), all: busy(l.t)}
	u.sent, u.received = counters(l.t, l.name()+"b")
	_, u.fetched = counters(l.t, fmt.Sprintf("%sf%d", l.name(), repository))
	return u
}

// measure has a peer deliver, and proves that the servers have the build.
func (l *lab) measure(d turn) result {
	l.t.Helper()
	before := l.usage()
	memory := l.run(l.command(d), d)
	after := l.usage()
	l.check(d)
	r := result{
		Peer: d.peer, Servers: d.servers, Far: l.far, Turn: d.number, Wall: after.at.Sub(before.at), Memory: memory,
		Sent: after.sent - before.sent, Received: after.received - before.received, Fetched: after.fetched - before.fetched,
		ControlCPU: after.control - before.control, ServersCPU: after.servers - before.servers,
	}
	r.OtherCPU = max(0, after.all-before.all-r.ControlCPU-r.ServersCPU)
	return r
}

// run runs a command to its end, and watches how much memory it takes.
func (l *lab) run(cmd *exec.Cmd, d turn) (memory int64) {
	l.t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(l.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	looks := time.NewTicker(100 * time.Millisecond)
	defer looks.Stop()
	for {
		select {
		case err := <-ended:
			require.NoError(l.t, err, "%s to %d servers: %s", d.peer, d.servers, &out)
			return memory
		case <-looks.C:
			memory = max(memory, l.control.memory())
		}
	}
}

// inventory tells everything of a tree: contents, and what may be run.
// REVISION is a file that Capistrano adds.
const inventory = `cd "$0" && export LC_ALL=C && {
  find -L . -type f ! -path ./REVISION -print0 | sort -z | xargs -0 sha256sum
  find -L . -type f -perm -u+x | sort
} | sha256sum`

// glance tells it of a few files.
const glance = `cd "$0" && sha256sum server.js package.json src/app.js src/routes/r3.js node_modules/uuid/package.json node_modules/aws-sdk/package.json`

// check compares the tree of the first server and of the last with the build,
// and a few files of all others.
func (l *lab) check(d turn) {
	l.t.Helper()
	tree := filepath.Join(l.builds, fmt.Sprint(d.build))
	for server := 1; server <= d.servers; server++ {
		look := glance
		if server == 1 || server == d.servers {
			look = inventory
		}
		want, err := exec.Command("sh", "-c", look, tree).Output()
		require.NoError(l.t, err)
		cmd := exec.Command("ssh", "-F", filepath.Join(l.dir, "ssh_config"), l.address(server), "sh", "-c", quote(look), "/srv/app/current/")
		cmd.Stderr = os.Stderr
		have, err := cmd.Output()
		require.NoError(l.t, err)
		require.Equal(l.t, string(want), string(have), "%s: what server %d has of build %d", d.peer, server, d.build)
	}
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
