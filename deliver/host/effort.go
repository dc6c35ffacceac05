package host

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// effort is for how long a service has wanted a processor, at the moments of two
// looks: one that starts is at work, one that only waits is not.
type effort struct{ first, last reading }

// reading is a process.wanted and its moment.
type reading struct {
	at     time.Time
	wanted time.Duration
}

// sampling is the shortest time over which an effort is told.
const sampling = time.Second

// note takes a reading of pid, whenever the last one is old enough.
func (e *effort) note(pid int) {
	if pid == 0 || time.Since(e.last.at) < sampling {
		return
	}
	e.first, e.last = e.last, reading{time.Now(), process(pid).wanted()}
}

// since tells the effort of the last second or two, and whether it is that of a
// process at work.
func (e *effort) since(pid int) (words string, busy bool) {
	const idle = 0.05 // of one processor
	from := e.last
	if time.Since(from.at) < sampling && !e.first.at.IsZero() {
		from = e.first
	}
	if from.at.IsZero() {
		return "", false
	}
	wanted, took := process(pid).wanted()-from.wanted, time.Since(from.at)
	words = fmt.Sprintf("it wanted a processor for %.1f of the last %.1f s", wanted.Seconds(), took.Seconds())
	return words, wanted.Seconds() > idle*took.Seconds()
}

// oomKills is how many processes the kernel has killed for lack of memory.
func oomKills() int {
	content, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills, _ := strconv.Atoi(strings.TrimSpace(n))
			return kills
		}
	}
	return 0
}

// listOf names ports.
func listOf(ports map[int]bool) string {
	var names []string
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		names = append(names, strconv.Itoa(port))
	}
	return "port " + strings.Join(names, ", ")
}
