package report

import (
	"fmt"
	"strings"
)

// cluster is the hosts of a large fleet that are in the same state.
type cluster struct {
	word        string
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
	word = min(word, max(7, width/3))
	var rows []string
	for _, c := range clusters {
		left := fmt.Sprintf("%s %5d", v.look(c.first, fit(c.word, word)), len(c.labels))
		rows = append(rows, strings.TrimRight(left+"  "+c.detail(width-word-8), " "))
	}
	rows = rows[:min(len(rows), most)]
	return append(rows, v.troubleRows(trouble, width, most-len(rows))...)
}

func (c *cluster) detail(width int) string {
	if c.first.state == running && c.total > 0 {
		return meter(c.done, c.total, width)
	}
	return cut(fold(c.labels), width)
}

// clusters puts the hosts together that are in the same state, those that are
// done last, and those apart that failed by themselves.
func (v *view) clusters() (clusters []*cluster, trouble []*host) {
	for s := waiting; s <= aside; s++ {
		for _, h := range v.fleet.hosts {
			switch {
			case h.state != s:
			case h.why != "" && h.state != running:
				trouble = append(trouble, h)
			default:
				clusters = gather(clusters, h)
			}
		}
	}
	return clusters, trouble
}

func gather(clusters []*cluster, h *host) []*cluster {
	word := h.word()
	for _, c := range clusters {
		if c.word == word && c.first.state == h.state {
			c.take(h)
			return clusters
		}
	}
	c := &cluster{word: word, first: h}
	c.take(h)
	return append(clusters, c)
}

func (c *cluster) take(h *host) {
	c.labels = append(c.labels, h.label)
	c.done += h.done
	c.total += h.total
}

// troubleRows name the hosts that failed, as many as there is room for.
func (v *view) troubleRows(trouble []*host, width, room int) []string {
	if len(trouble) == 0 || room <= 0 {
		return nil
	}
	shown := trouble
	if len(trouble) > room {
		shown = trouble[:room-1]
	}
	name := 4
	for _, h := range shown {
		name = max(name, columns(h.label))
	}
	name = min(name, max(8, width/3))
	var rows []string
	for _, h := range shown {
		text := v.look(h, h.word())
		rest := width - name - 4 - columns(h.word())
		rows = append(rows, fit(h.label, name)+"  "+text+"  "+cut(h.why, rest))
	}
	if more := len(trouble) - len(shown); more > 0 {
		rows = append(rows, v.paint.bad(cut(fmt.Sprintf("and %d more that failed", more), width)))
	}
	return rows
}
