package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"deliver/rollout"
)

// ending writes how a run ended.
type ending struct {
	opts  Options
	fleet *fleet
}

// write says it all in one Write: the headline, why, every host that is not right,
// and the counts.
func (e ending) write(o rollout.Outcome) {
	p := paint(e.opts.Color)
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s\n\n", e.headline(p, o))
	if o.Err != nil {
		out.WriteString(p.bad(clean(e.opts.Redact.Text(o.Err.Error()))) + "\n")
	}
	for _, c := range e.complaints(o) {
		first, more, _ := strings.Cut(c.text, "\n")
		out.WriteString(render("["+fold(e.fleet.named(c.hosts))+"] ", first, c.look(p)))
		if more != "" {
			out.WriteString(render("", more, c.look(p)))
		}
		if c.hint != "" {
			out.WriteString(render("", c.hint, func(s string) string { return s }))
		}
	}
	fmt.Fprintf(&out, "%s in %s\n", counts(o), took(o.Ended.Sub(o.Started).Seconds()))
	_, _ = io.WriteString(e.opts.Out, e.opts.Redact.Text(out.String())) // nobody is left to tell
}

func (e ending) headline(p paint, o rollout.Outcome) string {
	app := strings.ToUpper(oneLine(e.opts.App))
	switch o.Result {
	case rollout.OK:
		return p.good(app + " " + e.opts.Done + "!")
	case rollout.Partial:
		return p.warn(fmt.Sprintf("%s %s, BUT FOR %s!", app, e.opts.Done, strings.ToUpper(hosts(notOK(o)))))
	case rollout.Failed:
		return p.bad(fmt.Sprintf("%s NOT %s!", app, e.opts.Done))
	default:
		return p.bad(fmt.Sprintf("%s NOT %s: %s", app, e.opts.Done, strings.ToUpper(string(o.Result))))
	}
}

func notOK(o rollout.Outcome) int {
	return len(o.Hosts) - o.Count(rollout.HostOK) - o.Count(rollout.HostGone)
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return fmt.Sprintf("%d hosts", n)
}

// order is the order in which hosts are named and counted.
var order = []rollout.HostResult{
	rollout.HostOK, rollout.HostGone, rollout.HostUntouched, rollout.HostRolledBack,
	rollout.HostAside, rollout.HostFailed, rollout.HostUndoFailed,
}

func counts(o rollout.Outcome) string {
	var parts []string
	for _, result := range order {
		if n := o.Count(result); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, result))
		}
	}
	if len(parts) == 0 {
		return "no hosts"
	}
	return strings.Join(parts, ", ")
}

// complaint is what is not right with some hosts.
type complaint struct {
	result rollout.HostResult
	own    bool // the hosts failed by themselves
	text   string
	hint   string
	hosts  []string
}

// complaints name every host that is not right, those that failed by
// themselves last, where they are seen.
func (e ending) complaints(o rollout.Outcome) []*complaint {
	var all []*complaint
	for _, h := range o.Hosts {
		if h.Result == rollout.HostOK {
			continue
		}
		c := e.complain(h)
		at := slices.IndexFunc(all, func(other *complaint) bool { return other.text == c.text && other.hint == c.hint })
		if at < 0 {
			all = append(all, c)
		} else {
			c = all[at]
		}
		c.hosts = append(c.hosts, h.Host.String())
	}
	slices.SortStableFunc(all, func(a, b *complaint) int { return a.rank() - b.rank() })
	return all
}

func (c *complaint) rank() int {
	rank := slices.Index(order, c.result)
	if c.own {
		rank += len(order)
	}
	return rank
}

func (c *complaint) look(p paint) func(string) string {
	switch {
	case c.own || c.result == rollout.HostUndoFailed:
		return p.bad
	case c.result == rollout.HostRolledBack:
		return p.warn
	default:
		return func(s string) string { return s }
	}
}

func (e ending) complain(h rollout.HostOutcome) *complaint {
	c := &complaint{result: h.Result, text: string(h.Result)}
	if h.Err != nil && h.Step != "" && h.Result != rollout.HostUntouched {
		why, hint := e.why(h.Err)
		c.own = h.Result != rollout.HostGone
		c.text, c.hint = fmt.Sprintf("%s: %s", c.text, unrepeated(h.Step+": "+why)), hint
	}
	if h.UndoErr != nil {
		why, hint := e.why(h.UndoErr)
		c.text, c.hint = strings.ToUpper(string(h.Result))+": "+unrepeated(why)+after(h), hint
	}
	c.text, c.hint = clean(e.opts.Redact.Text(c.text)), clean(e.opts.Redact.Text(c.hint))
	return c
}

func after(h rollout.HostOutcome) string {
	if h.Err == nil || h.Step == "" {
		return ""
	}
	return "\nbefore that: " + unrepeated(fmt.Sprintf("%s: %s", h.Step, h.Err))
}

// why parts an error from its hint.
func (e ending) why(err error) (why, hint string) {
	if e.opts.Hint == nil {
		return err.Error(), ""
	}
	hint = e.opts.Hint(err)
	return strings.TrimSuffix(err.Error(), "; "+hint), hint
}
