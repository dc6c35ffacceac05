package report

import (
	"fmt"
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

// clusters puts the hosts together that are in the same state, those that are
// done last, and apart those that failed by themselves for the same reason.
func (v *view) clusters() (clusters, trouble []*cluster) {
	for s := waiting; s <= aside; s++ {
		for _, h := range v.fleet.hosts {
			switch {
			case h.state != s:
			case h.why != "" && h.state != running:
				trouble = gather(trouble, h, h.why)
			default:
				clusters = gather(clusters, h, "")
			}
		}
	}
	return clusters, trouble
}

func gather(clusters []*cluster, h *host, why string) []*cluster {
	word := h.word()
	for _, c := range clusters {
		if c.word == word && c.first.state == h.state && c.why == why {
			c.take(h)
			return clusters
		}
	}
	c := &cluster{word: word, why: why, first: h}
	c.take(h)
	return append(clusters, c)
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
