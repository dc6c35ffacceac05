package report

import (
	"cmp"
	"slices"
	"strings"

	"deliver/rollout"
)

// Redactor takes secrets out of texts by their value. The zero Redactor
// knows none.
type Redactor struct {
	replacer *strings.Replacer
}

// NewRedactor makes a Redactor of secrets. Of one that is part of another the
// longer is found first.
func NewRedactor(secrets ...string) Redactor {
	sorted := slices.Clone(secrets)
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, secret := range sorted {
		if secret != "" {
			pairs = append(pairs, secret, "[secret]")
		}
	}
	return Redactor{strings.NewReplacer(pairs...)}
}

// Text is s without the secrets.
func (r Redactor) Text(s string) string {
	if r.replacer == nil || s == "" {
		return s
	}
	return r.replacer.Replace(s)
}

func (r Redactor) event(e rollout.Event) rollout.Event {
	for _, field := range []*string{&e.Stage, &e.Host, &e.Step, &e.Text, &e.Error} {
		*field = r.Text(*field)
	}
	e.Hosts = r.all(e.Hosts)
	return e
}

func (r Redactor) all(texts []string) []string {
	if r.replacer == nil || texts == nil {
		return texts
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = r.Text(text)
	}
	return out
}
