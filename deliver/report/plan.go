package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"deliver/plan"
)

// Plan is a plan as people read it: what for whom, the commits, the order of
// things, what is done on each host, and how it would end.
func Plan(doc *plan.Document) string {
	p := &planPage{Document: doc}
	p.head()
	p.hosts()
	p.changes()
	p.course()
	p.does()
	p.foot()
	return clean(p.text.String())
}

type planPage struct {
	*plan.Document
	text strings.Builder
}

func (p *planPage) line(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n", args...) }

func (p *planPage) head() {
	what := strings.ToUpper(oneLine(p.App)) + ": " + p.Action + " of " + p.Release.Describe()
	p.line("PLAN FOR %s to %s", what, hosts(len(p.Hosts)))
	p.line("%s, build %.12s%s", size(p.Release.Size), p.Release.Digest(), commitWords(p.Release.Commit))
}

func commitWords(commit string) string {
	if commit == "" {
		return ""
	}
	return fmt.Sprintf(", commit %.12s", commit)
}

func (p *planPage) hosts() {
	p.line("")
	table := tabwriter.NewWriter(&p.text, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tRUNS\tTHEN")
	for _, h := range p.Hosts {
		row := fmt.Sprintf("%s\t%s\t%s\t%s", h.Name, cmp.Or(h.Current, "-"), p.then(h), oneLine(remark(h)))
		fmt.Fprintln(table, strings.TrimRight(row, "\t"))
	}
	_ = table.Flush() // a strings.Builder takes all
}

func (p *planPage) then(h plan.Host) string {
	if h.Problem != "" || h.Result == "untouched" {
		return cmp.Or(h.Current, "-")
	}
	return p.Release.ID
}

func remark(h plan.Host) string {
	switch {
	case h.Problem != "":
		return h.Result + ": " + h.Problem
	case h.Result == "untouched":
		return h.Result
	case h.Settled:
		return "live and healthy already"
	case h.Has:
		return "has it on its disk"
	case h.Pin != "":
		return "pinned to " + h.Pin
	}
	return ""
}

func (p *planPage) changes() {
	for _, c := range p.Changes {
		p.line("\n%s to %s%s:", c.From, p.Release.ID, map[bool]string{true: ", which takes away"}[c.Back])
		for _, commit := range c.Commits {
			p.line("  %s", oneLine(commit))
		}
		if c.More > 0 {
			p.line("  and %d more", c.More)
		}
	}
}

// course is the order of the run, a leg on each line.
func (p *planPage) course() {
	p.line("\nIn this order:")
	batches := 0
	for _, leg := range p.Course {
		switch {
		case leg.Step != "":
			p.line("  %s", leg.Step)
			continue
		case strings.HasPrefix(leg.Stage, "switch"):
			if batches++; batches > 1 && p.Order.Pause > 0 {
				p.line("  pause of %s", p.Order.Pause)
			}
		}
		p.line("  %s: %s", leg.Stage, fold(leg.Hosts))
	}
	if store := p.Settings["STORE"]; store != "" && p.Asked["ONLY"] == "" {
		p.line("  %s: new servers install it, if all went well", store)
	}
}

// doing is what is done to some hosts in the same way.
type doing struct {
	does  []plan.Do
	hosts []string
}

func (p *planPage) does() {
	for _, group := range p.grouped() {
		p.line("\nOn %s:", fold(group.hosts))
		for _, do := range group.does {
			p.line("  %-8s %s", do.What, oneLine(do.With))
		}
	}
}

// grouped puts the hosts together to which the same is done.
func (p *planPage) grouped() []*doing {
	var groups []*doing
	for _, h := range p.Hosts {
		does := nameless(h)
		if len(does) == 0 {
			continue
		}
		at := slices.IndexFunc(groups, func(g *doing) bool { return slices.Equal(g.does, does) })
		if at < 0 {
			at, groups = len(groups), append(groups, &doing{does: does})
		}
		groups[at].hosts = append(groups[at].hosts, h.Name)
	}
	return groups
}

// nameless has HOST where a function gets the host's name.
func nameless(h plan.Host) []plan.Do {
	does := slices.Clone(h.Does)
	for i, do := range does {
		if strings.HasPrefix(do.With, do.What+" ") {
			does[i].With = do.What + " HOST, here"
		}
	}
	return does
}

func (p *planPage) foot() {
	p.line("\nWhere more than %s fail: %s. Out of reach may be %s.",
		p.Limits.MaxFailures, cmp.Or(p.Limits.OnFailure, plan.Rollback), p.Limits.MaxUnreachable)
	if p.Why != "" {
		p.line("It would not go: %s", oneLine(p.Why))
	}
	p.line("Exit code: %d (%s)\nDigest: %s", p.Code, p.Result, p.Digest)
}
