package peers

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPeers delivers two builds by each peer to fresh servers, proves that they
// have them, and prints the medians. What is measured is in the environment:
//
//	PEERS          the names of scripts in lab/bench/peers; "all"
//	PEERS_SERVERS  to how many servers: "1 8 32"
//	PEERS_RUNS     how often
//	PEERS_FAR      rate and round trip to the servers: "200mbit 20"
//	PEERS_BUILDS   "real": an app with its dependencies; else small ones that show that the scripts work
//	PEERS_RESULTS  a file that results are added to, and that the table is made of
func TestPeers(t *testing.T) {
	l := newLab(t)
	names, counts, runs := setting("PEERS", "deliver deliver-store rsync"), numbers(t, setting("PEERS_SERVERS", "2")), numbers(t, setting("PEERS_RUNS", "1"))[0]
	patience := l.artefact(os.Getenv("PEERS_BUILDS") == "real")
	kept := openResults(t)
	for _, servers := range counts {
		l.up(servers)
		if l.far = os.Getenv("PEERS_FAR"); l.far != "" {
			l.goFar()
		}
		for run := range runs {
			for _, peer := range l.peers(names) {
				t.Logf("run %d: %s to %d servers", run+1, peer, servers)
				l.deliveries(peer, servers, patience, kept)
			}
		}
	}
	table := tables(kept.all)
	t.Log("\n" + table)
	writeDocs(t, table)
}

// deliveries has a peer deliver a first and a second time.
func (l *lab) deliveries(peer string, servers int, patience time.Duration, kept *results) {
	l.begin(servers)
	defer l.end()
	second := 2
	if peer == "deliver-share-trees" {
		second = 3 // in which no package has changed
	}
	l.run(l.command(turn{peer, servers, 0, 1}), turn{peer: peer})
	for n, build := range []int{1, second} {
		l.rest()
		l.settle(patience)
		kept.add(l.measure(turn{peer, servers, n + 1, build}))
	}
}

func (l *lab) peers(names string) []string {
	if names != "all" {
		return strings.Fields(names)
	}
	entries, err := os.ReadDir(filepath.Join(l.home, "peers"))
	require.NoError(l.t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func numbers(t *testing.T, text string) []int {
	t.Helper()
	var all []int
	for _, field := range strings.Fields(text) {
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

// results are what was measured, now and, where a file keeps them, before.
type results struct {
	t    *testing.T
	file *os.File // nil: nothing is kept
	all  []result
}

func openResults(t *testing.T) *results {
	t.Helper()
	kept := &results{t: t}
	path := os.Getenv("PEERS_RESULTS")
	if path == "" {
		return kept
	}
	var err error
	kept.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	require.NoError(t, err)
	t.Cleanup(func() { _ = kept.file.Close() })
	lines := bufio.NewScanner(kept.file)
	for lines.Scan() {
		var r result
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		kept.all = append(kept.all, r)
	}
	require.NoError(t, lines.Err())
	return kept
}

func (k *results) add(r result) {
	k.all = append(k.all, r)
	line, err := json.Marshal(r)
	require.NoError(k.t, err)
	k.t.Logf("%s", line)
	if k.file != nil {
		_, err = k.file.Write(append(line, '\n'))
		require.NoError(k.t, err)
	}
}

// goFar puts a rate and a round trip between this side and the servers.
func (l *lab) goFar() {
	l.t.Helper()
	where := strings.Fields(l.far)
	require.Len(l.t, where, 2, "PEERS_FAR is a rate and milliseconds: 200mbit 20")
	delay := filepath.Join(filepath.Dir(l.dir), "delay")
	l.script(exec.Command("go", "build", "-o", delay, "deliver/peers/delay"))
	l.env = append(l.env, "FLEET_DELAY="+delay)
	l.script(l.servers.command(filepath.Join(l.home, "fleet"), "far", where[0], where[1]))
}
