package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"autobuilder/build"
)

// Graphite tells graphite-web of events by its HTTP API: for annotations of graphs,
// which have words and tags. Carbon's points have neither.
type Graphite struct {
	URL    string
	Events []build.EventKind // empty: all
}

// annotation is an event as graphite-web keeps it.
type annotation struct {
	What string `json:"what"`
	Tags string `json:"tags"` // with blanks between: old ones know no lists
	When int64  `json:"when"`
	Data string `json:"data"`
}

const (
	mostWhat = 255 // letters, as its database takes them
	mostTag  = 50
)

// Order is that of each release.
func (Graphite) Order() build.Order { return build.ByThread }

// Send makes the event, unless an earlier try has made it.
func (g Graphite) Send(ctx context.Context, m Message) (string, error) {
	if !wanted(g.Events, m.Kind) {
		return "", nil
	}
	base, a := strings.TrimRight(g.URL, "/")+"/events/", m.annotation()
	if m.Tries > 0 {
		there, err := a.in(ctx, base)
		if err != nil || there {
			return "", err
		}
	}
	body, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("write event %d as JSON: %w", m.Seq, err)
	}
	return "", post(ctx, base, body, http.Header{})
}

// in says whether the event is there already.
func (a annotation) in(ctx context.Context, base string) (bool, error) {
	second := strconv.FormatInt(a.When, 10)
	var found []struct{ What, Data string }
	err := get(ctx, base+"get_data?"+url.Values{"tags": {a.Tags}, "from": {second}, "until": {second}}.Encode(), &found)
	for _, one := range found {
		if one.What == a.What && one.Data == a.Data {
			return true, nil
		}
	}
	return false, err
}

func (m Message) annotation() annotation {
	what := []rune(m.Headline())
	tags := []string{"autobuilder", string(m.Kind), tag(m.Project.Name)}
	if env := tag(m.Project.Environment()); env != "" {
		tags = append(tags, env)
	}
	return annotation{
		What: string(what[:min(len(what), mostWhat)]), Tags: strings.Join(tags, " "), When: m.At.Unix(),
		Data: strings.Join(append(m.Details(), m.Page), "\n"),
	}
}

var untagged = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// tag is a name without what separates tags.
func tag(name string) string {
	name = untagged.ReplaceAllString(name, "_")
	return name[:min(len(name), mostTag)]
}
