package report

import (
	"fmt"
	"slices"
	"strings"
)

// cluster is the hosts of a large fleet that are in the same state.
type cluster struct {
	word, why   string
	first       *host
	labels      []string
	done, total int64
}

// foldedRows are a row for each state and, below, the hosts that are not fine.
func (v *view) foldedRows(width, most int) []string {
	clusters, trouble := v.clusters()
	word := 7
	for _, c := range clusters {
		word = max(word, columns(c.word))
	}
	word = min(word, max(0, width-7))
	var rows []string
	for _, c := range clusters {
		left := fmt.Sprintf("%s %5d", v.look(c.first, fit(c.word, word)), len(c.labels))
		rows = append(rows, strings.TrimRight(left+"  "+c.detail(width-word-8), " "))
	}
	rows = rows[:min(len(rows), most-min(len(trouble), most/2))]
	return append(rows, v.troubleRows(trouble, width, most-len(rows))...)
}

func (c *cluster) detail(width int) string {
	if c.first.state == running && c.total > 0 {
		return meter(c.done, c.total, width)
	}
	return cut(fold(c.labels), width)
}

// states is the order of the rows: what is done last, then the worst first.
var states = []state{waiting, running, passed, broken, failing, aside, undone}

// clusters puts the hosts together that are in the same state, and apart
// those that failed by themselves for the same reason.
func (v *view) clusters() (clusters, trouble []*cluster) {
	found := map[[2]string]*cluster{}
	for _, h := range v.byState() {
		key := [2]string{h.word(), h.reason()}
		if found[key] == nil {
			c := &cluster{word: key[0], why: key[1], first: h}
			found[key] = c
			if c.why == "" {
				clusters = append(clusters, c)
			} else {
				trouble = append(trouble, c)
			}
		}
		found[key].take(h)
	}
	return clusters, trouble
}

func (v *view) byState() []*host {
	hosts := slices.Clone(v.fleet.hosts)
	slices.SortStableFunc(hosts, func(a, b *host) int {
		return slices.Index(states, a.state) - slices.Index(states, b.state)
	})
	return hosts
}

// reason is why a host is not fine; one on which something goes on may be yet.
func (h *host) reason() string {
	if h.state == running {
		return ""
	}
	return h.why
}

func (c *cluster) take(h *host) {
	c.labels = append(c.labels, h.short)
	c.done += h.done
	c.total += h.total
}

// troubleRows name the hosts that failed and why, as many as there is room for.
func (v *view) troubleRows(trouble []*cluster, width, room int) []string {
	if len(trouble) == 0 || room <= 0 {
		return nil
	}
	shown := trouble
	if len(trouble) > room {
		shown = trouble[:room-1]
	}
	names, name := make([]string, len(shown)), 4
	for i, c := range shown {
		names[i] = fold(c.labels)
		name = max(name, columns(names[i]))
	}
	name = share(name, width)
	var rows []string
	for i, c := range shown {
		word := cut(c.word, width-name-2)
		rest := cut(c.why, width-name-columns(word)-4)
		rows = append(rows, strings.TrimRight(fit(names[i], name)+"  "+v.look(c.first, word)+"  "+rest, " "))
	}
	return append(rows, v.more(trouble[len(shown):], width)...)
}

// more counts the hosts for which there is no row.
func (v *view) more(left []*cluster, width int) []string {
	n := 0
	for _, c := range left {
		n += len(c.labels)
	}
	if n == 0 {
		return nil
	}
	return []string{v.paint.bad(cut(fmt.Sprintf("and %d more that failed", n), width))}
}
