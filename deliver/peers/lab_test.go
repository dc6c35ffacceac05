package peers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"deliver/sshdtest"
	"deliver/store/storetest"
)

// repository is the number of the server that has the git repository and the
// store.
const repository = 100

// lab is servers in namespaces, builds for them, and what measures.
type lab struct {
	t       *testing.T
	home    string // the scripts
	dir     string // its state
	work    string // of one peer, from its first delivery to its last
	builds  string
	tools   string // what pip has installed
	net     string
	far     string // rate and round trip, as fleet takes them; empty: the servers are near
	env     []string
	control *group
	servers *group
}

func newLab(t *testing.T) *lab {
	t.Helper()
	sshdtest.NeedThat(t, os.Geteuid() == 0, "root")
	for program, pkg := range map[string]string{
		"ip": "iproute2", "sshd": "openssh-server", "ssh": "openssh-client", "rsync": "rsync", "zstd": "zstd", "git": "git", "node": "nodejs",
	} {
		sshdtest.Need(t, program, pkg)
	}
	storetest.Need(t)
	home, err := filepath.Abs("../../lab/bench")
	require.NoError(t, err)
	cache := filepath.Join(home, "..", "..", ".cache", "bench")
	l := &lab{
		t: t, home: home, dir: filepath.Join(shortDir(t), "lab"), net: freeSubnet(t),
		builds: filepath.Join(cache, "builds"), tools: filepath.Join(cache, "tools", "bin"),
	}
	l.control, l.servers = newGroup(t, l.name()+"control"), newGroup(t, l.name()+"servers")
	program := sshdtest.Program(t)
	l.env = append(os.Environ(), "LAB="+l.dir, "LAB_NET="+l.net, "BUILDS="+l.builds, "TOOLS="+l.tools, "PATH="+program+":"+os.Getenv("PATH"),
		"REPOSITORY="+l.address(repository))
	t.Cleanup(l.down)
	l.downWhenInterrupted()
	return l
}

// downWhenInterrupted leaves no servers behind when somebody has seen enough.
func (l *lab) downWhenInterrupted() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	l.t.Cleanup(func() { signal.Stop(signals) })
	go func() {
		select {
		case <-signals:
			l.down()
			os.Exit(1)
		case <-l.t.Context().Done():
		}
	}()
}

// name is what the scripts call the lab: its interfaces begin with it.
func (l *lab) name() string { return "dlv" + strings.ReplaceAll(l.net, ".", "") }

func (l *lab) address(server int) string { return fmt.Sprintf("%s.%d", l.net, server) }

// path is a file of a server, as it lies here.
func (l *lab) path(server int, parts ...string) string {
	return filepath.Join(append([]string{l.dir, "fleet", strconv.Itoa(server)}, parts...)...)
}

// up starts so many servers, beside those that there are.
func (l *lab) up(servers int) {
	l.t.Helper()
	l.script(l.servers.command(filepath.Join(l.home, "fleet"), "up", strconv.Itoa(servers)))
	l.script(l.servers.command(filepath.Join(l.home, "fleet"), "add", strconv.Itoa(repository)))
	l.script(exec.Command(filepath.Join(l.home, "fleet"), "store", strconv.Itoa(repository)))
}

func (l *lab) down() { l.script(exec.Command(filepath.Join(l.home, "fleet"), "down")) }

// artefact makes the builds, and says how long to wait for a quiet machine.
func (l *lab) artefact(genuine bool) (patience time.Duration) {
	l.t.Helper()
	script := filepath.Join(l.home, "artefact")
	if genuine {
		l.script(exec.Command(script, l.builds))
		return 3 * time.Second
	}
	l.builds = filepath.Join(l.t.TempDir(), "builds")
	l.env = append(l.env, "BUILDS="+l.builds, "FLEET_DISK=tmpfs")
	l.script(exec.Command(script, l.builds, "small"))
	return 0
}

// script runs one of the lab's scripts, which has to succeed.
func (l *lab) script(cmd *exec.Cmd) {
	l.t.Helper()
	cmd.Env = l.env
	out, err := cmd.CombinedOutput()
	require.NoError(l.t, err, "%v: %s", cmd.Args, out)
}

// rest waits for what deliver does on the servers when a delivery is over.
func (l *lab) rest() {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		for _, pid := range l.servers.processes() {
			if name, _ := os.ReadFile(filepath.Join("/proc", pid, "comm")); strings.HasPrefix(string(name), "deliver") {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond, "deliver does not end on the servers")
}

// begin gives the next peer servers without a release.
func (l *lab) begin(servers int) {
	l.t.Helper()
	l.rest()
	work, err := os.MkdirTemp(filepath.Dir(l.dir), "work")
	require.NoError(l.t, err)
	l.work = work
	list, err := os.Create(filepath.Join(work, "hosts"))
	require.NoError(l.t, err)
	defer list.Close()
	for server := 1; server <= servers; server++ {
		fmt.Fprintln(list, l.address(server))
		require.NoError(l.t, os.RemoveAll(l.path(server, "srv", "app")))
		require.NoError(l.t, os.Mkdir(l.path(server, "srv", "app"), 0o755))
		require.NoError(l.t, os.Chown(l.path(server, "srv", "app"), deploy, deploy))
	}
	_ = exec.Command("fstrim", filepath.Join(l.dir, "fleet")).Run() // where it can't, the image of the disk grows
}

// deploy is the user, and the group, of that name on the servers.
const deploy = 2000

// end takes away what a peer has kept.
func (l *lab) end() {
	l.t.Helper()
	l.control.end(l.t)
	require.NoError(l.t, os.RemoveAll(l.work))
}

// turn is one delivery by one peer: 0 is its preparation.
type turn struct {
	peer    string
	servers int
	number  int
	build   int
}

// command is the peer's script.
func (l *lab) command(d turn) *exec.Cmd {
	script := filepath.Join(l.home, "peers", d.peer)
	cmd := l.control.command(script)
	if l.far != "" && d.number > 0 {
		cmd = l.control.command("ip", "netns", "exec", l.name()+"far", script)
	}
	cmd.Env = append(l.env, "TURN="+strconv.Itoa(d.number), "BUILD="+strconv.Itoa(d.build), "SERVERS="+strconv.Itoa(d.servers),
		"WORK="+l.work, "SOCKETS="+l.work, "HOSTS_FILE="+filepath.Join(l.work, "hosts"))
	return cmd
}

// settle waits until nothing is left to be written, and nobody else works, but
// not for ever.
func (l *lab) settle(patience time.Duration) {
	unix.Sync()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		const look = 500 * time.Millisecond
		before := busy(l.t)
		<-time.After(look)
		if busy(l.t)-before < look/4 {
			return
		}
	}
}

// shortDir is a directory in which a socket's path is not too long.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peers")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// freeSubnet is one that no interface of this machine has an address in.
func freeSubnet(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	var taken strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&taken, " %s", a)
	}
	for third := range 256 {
		subnet := fmt.Sprintf("10.85.%d", third)
		if !strings.Contains(taken.String(), " "+subnet+".") {
			return subnet
		}
	}
	require.FailNow(t, "all of 10.85.0.0/16 is taken on this machine")
	return ""
}
