package zoo

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"deliver/sshdtest"
)

// Every release is called what it is: no bad one healthy, no good one bad, and
// each bad one by its name. ZOO_RUNS is how many are delivered; each animal
// once, where it is not set. ZOO_POLLS is for how many seconds the service
// manager is asked beside each.
func TestZoo(t *testing.T) {
	bin := build(t)
	keepers := map[string]keeper{
		"systemd": startSystemd(t, bin), "runit": startRunit(t, bin), "supervisor": startSupervisor(t, bin),
	}
	outcomes := tour(t, keepers, number(t, "ZOO_RUNS", len(animals())), number(t, "ZOO_POLLS", 3))
	t.Log("\n" + table(outcomes))
	for _, o := range outcomes {
		assert.Empty(t, o.wrong(), "%s, under %s, asked by %s", o.name, o.manager, o.question)
	}
}

// tour delivers so many releases, some at a time: most of it is waiting.
func tour(t *testing.T, keepers map[string]keeper, runs, polls int) []outcome {
	t.Helper()
	var services []service
	for round := 0; len(services) < runs; round++ {
		for _, v := range variants(round) {
			if strings.Contains(v.name, os.Getenv("ZOO_ONLY")) {
				services = append(services, service{variant: v})
			}
		}
	}
	services = services[:runs]
	outcomes := make([]outcome, runs)
	ports := freePorts(15_000)
	var group errgroup.Group
	group.SetLimit(number(t, "ZOO_PARALLEL", 6))
	for i, s := range services {
		k := keepers[s.manager]
		s.name = "zoo" + strconv.Itoa(i)
		s.root, s.asker = filepath.Join(k.roots(), s.name), filepath.Join(k.tools(), "animal")
		s.port, s.elsewhere, s.eats = ports.next(t), ports.next(t), "-eat"
		if c, ok := k.(*container); ok && c.memory != "" {
			s.eats += " -memory " + memoryInside
		}
		group.Go(func() error {
			outcomes[i] = run(t, k, s, polls)
			return nil
		})
	}
	_ = group.Wait() // each run keeps its own error
	return outcomes
}

// build makes the static programs that run on the keepers' machines.
func build(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zoobin")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "deliver/cmd/deliver-host", "deliver/zoo/animal")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// table counts what was said of each animal.
func table(outcomes []outcome) string {
	rows, total := map[string]*row{}, &row{}
	for _, o := range outcomes {
		if rows[o.name] == nil {
			rows[o.name] = &row{}
		}
		rows[o.name].add(o)
		total.add(o)
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 8, 1, ' ', 0)
	fmt.Fprintln(w, "| release\t| is\t| runs\t| deliver: healthy\t| called\t| manager, at once: healthy\t| polled: healthy\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, a := range animals() {
		if r := rows[a.name]; r != nil {
			is := map[bool]string{true: "good", false: "bad"}[a.good]
			fmt.Fprintf(w, "| %s\t| %s\t| %d\t| %d\t| %s\t| %d\t| %d\t|\n", a.name, is, r.runs, r.green, r.called(a), r.atOnce, r.polled)
		}
	}
	_ = w.Flush()
	fmt.Fprintf(&out, "\n%d runs; false greens and false reds: deliver %d and %d (called by another name: %d), the manager at once %d and %d, polled %d and %d\n",
		total.runs, total.falseGreen, total.falseRed, total.misnamed, total.atOnceGreen, total.atOnceRed, total.polledGreen, total.polledRed)
	return out.String()
}

// row is what was said, counted.
type row struct {
	runs, green, atOnce, polled int // healthy
	right                       int
	falseGreen, falseRed        int
	misnamed                    int
	atOnceGreen, atOnceRed      int
	polledGreen, polledRed      int
}

func (r *row) add(o outcome) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	r.runs++
	count(&r.green, o.isGreen())
	count(&r.atOnce, o.atOnce)
	count(&r.polled, o.polled)
	count(&r.right, o.wrong() == "")
	count(&r.falseGreen, !o.good && o.isGreen())
	count(&r.falseRed, o.good && !o.isGreen())
	count(&r.misnamed, !o.good && !o.isGreen() && o.wrong() != "")
	count(&r.atOnceGreen, !o.good && o.atOnce)
	count(&r.atOnceRed, o.good && !o.atOnce)
	count(&r.polledGreen, !o.good && o.polled)
	count(&r.polledRed, o.good && !o.polled)
}

// called names what deliver called it.
func (r *row) called(a animal) string {
	if a.good {
		return fmt.Sprintf("healthy %d", r.right)
	}
	return fmt.Sprintf("%s %d", a.kind, r.right)
}

func number(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// freePorts are below those that the kernel gives to whoever connects.
type freePorts int

// next is another one that is free.
func (p *freePorts) next(t *testing.T) int {
	t.Helper()
	for ; *p < 32_000; *p++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *p))
		if err == nil {
			l.Close()
			*p++
			return int(*p) - 1
		}
	}
	require.FailNow(t, "no port is free")
	return 0
}

func need(t *testing.T, program, pkg string) string {
	t.Helper()
	return sshdtest.Need(t, program, pkg)
}

// kill ends a process for good.
func kill(pid string) {
	if n, err := strconv.Atoi(pid); err == nil && n > 1 {
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
}

// inBackground runs cmd until the test ends, and not longer.
func inBackground(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGHUP, Setpgid: true} // at which runsvdir ends its services
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
}
