package plan_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/plan"
	"deliver/release"
)

func sealed(t testing.TB, change func(*plan.Document)) []byte {
	t.Helper()
	doc := document()
	if change != nil {
		change(doc)
	}
	require.NoError(t, doc.Seal())
	text, err := json.MarshalIndent(doc, "", "  ")
	require.NoError(t, err)
	return text
}

func document() *plan.Document {
	return &plan.Document{
		Deliver: "v1.0.0", Created: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), By: "ci", Action: "push", App: "shop",
		Release:  release.Record{ID: "v2", SHA256: "abc", Created: time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC)},
		Asked:    map[string]string{"ORDER": "rolling"},
		Settings: map[string]string{"ORDER": "rolling", "APP": "shop"}, Config: "sha256:0123456789abcdef",
		Order:  plan.Order{Mode: plan.Rolling, Batch: plan.Sizes{plan.Count(1), plan.Percent(50)}, Pause: time.Second},
		Limits: plan.DefaultLimits(),
		Forecast: plan.Forecast{
			Course: []plan.Leg{{Step: "lease"}, {Stage: "switch 1/2", Hosts: []string{"h1"}}},
			Hosts: []plan.Host{
				{Name: "h1", State: plan.State{Current: "v1", Token: 3, Restart: []string{"sv restart /etc/service/shop"}}, Result: "ok"},
				{Name: "h2", State: plan.State{Down: "connection refused"}, Result: "set aside"},
			},
			Result: "partial",
		},
		Changes: []plan.Change{{From: "v1", Commits: []string{"abc first", "def second"}}},
		Code:    3,
	}
}

func TestASealedPlanIsReadBackAsItWas(t *testing.T) {
	t.Parallel()
	want := document()
	require.NoError(t, want.Seal())
	got, err := plan.Read(bytes.NewReader(sealed(t, nil)))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, got.Digest)
}

// Whatever value of a plan is edited, it is noticed.
func TestAnEditedPlanIsRefused(t *testing.T) {
	t.Parallel()
	whole := sealed(t, nil)
	edits := 0
	for {
		var tree any
		require.NoError(t, json.Unmarshal(whole, &tree))
		left := edits
		if tree = edit(tree, &left); left >= 0 {
			break
		}
		edited, err := json.Marshal(tree)
		require.NoError(t, err)
		_, err = plan.Read(bytes.NewReader(edited))
		require.Error(t, err, string(edited))
		edits++
	}
	assert.Greater(t, edits, 40)
}

// edit changes the value that is in the given place of the tree, and counts
// down to it.
func edit(tree any, left *int) any {
	switch node := tree.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(node)) {
			node[name] = edit(node[name], left)
		}
		return node
	case []any:
		for i := range node {
			node[i] = edit(node[i], left)
		}
		return node
	}
	if *left--; *left != -1 {
		return tree
	}
	switch value := tree.(type) {
	case string:
		return value + "9"
	case float64:
		return value + 1
	default:
		return !value.(bool)
	}
}

func TestHowAPlanIsSetSaysNothing(t *testing.T) {
	t.Parallel()
	whole := sealed(t, nil)
	_, err := plan.Read(bytes.NewReader(bytes.ReplaceAll(whole, []byte("\n  "), []byte("\n\t"))))
	require.NoError(t, err)
	_, err = plan.Read(bytes.NewReader(bytes.Replace(whole, []byte(`"ci"`), []byte(`"me"`), 1)))
	assert.ErrorIs(t, err, plan.ErrEdited)
}

func TestWhatIsNoPlanIsNamed(t *testing.T) {
	t.Parallel()
	whole := string(sealed(t, nil))
	for name, c := range map[string]struct{ text, why string }{
		"empty":        {"", "it is no plan"},
		"other":        {"APP=shop", "it is no plan"},
		"other JSON":   {`{"hosts": [1]}`, "it is no plan"},
		"more":         {whole + "{}", "something follows it"},
		"unknown":      {strings.Replace(whole, `"by"`, `"bye"`, 1), `unknown field "bye"`},
		"old":          {strings.Replace(whole, `"v": 1`, `"v": 9`, 1), "version 9"},
		"cut":          {whole[:len(whole)/2], "it is no plan"},
		"no release":   {string(sealed(t, func(d *plan.Document) { d.Release.ID = "" })), "names no release"},
		"no host":      {string(sealed(t, func(d *plan.Document) { d.Hosts = nil })), "names no host"},
		"no order":     {string(sealed(t, func(d *plan.Document) { d.Order.Mode = "sideways" })), "sideways"},
		"a terminal's": {strings.Replace(whole, `"digest": "sha256`, `"digest": "\u001b[2J`, 1), "sealed with ?[2J"},
	} {
		_, err := plan.Read(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.why, name)
		assert.NotContains(t, err.Error(), "\x1b", name)
	}
}

// endless is a file that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

func TestAnEndlessFileIsNotReadForEver(t *testing.T) {
	t.Parallel()
	_, err := plan.Read(endless{})
	assert.ErrorContains(t, err, "longer than")
}

func FuzzRead(f *testing.F) {
	f.Add(sealed(f, nil))
	f.Add(sealed(f, func(d *plan.Document) { d.Asked, d.Changes = nil, nil }))
	f.Add([]byte(`{"v":1,"hosts":[{}],"digest":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := plan.Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		digest := doc.Digest
		require.NoError(t, doc.Seal())
		assert.Equal(t, digest, doc.Digest)
		assert.Empty(t, doc.Differs(doc))
		for _, h := range doc.Hosts {
			first, _ := doc.Host(h.Name)
			assert.NoError(t, doc.Confirm(h.Name, first.State))
		}
	})
}

func TestDifferencesOfAHost(t *testing.T) {
	t.Parallel()
	was := plan.State{Current: "v1", Token: 4, Restart: []string{"sv restart a"}}
	for name, c := range map[string]struct {
		change func(*plan.State)
		want   []string
	}{
		"none":     {func(*plan.State) {}, nil},
		"release":  {func(s *plan.State) { s.Current = "v0" }, []string{"release was v1 when it was planned, and is v0"}},
		"delivery": {func(s *plan.State) { s.Token++ }, []string{"lease was 4 when it was planned, and is 5"}},
		"pin": {func(s *plan.State) { s.Pin, s.Token = "v1", 5 }, []string{
			"pin was none when it was planned, and is v1", "lease was 4 when it was planned, and is 5",
		}},
		"on disk": {func(s *plan.State) { s.Has = true }, []string{"release on its disk was no when it was planned, and is yes"}},
		"healthy": {func(s *plan.State) { s.Settled = true }, []string{"live and healthy was no when it was planned, and is yes"}},
		"unit":    {func(s *plan.State) { s.Restart = nil }, []string{"restart was sv restart a when it was planned, and is none"}},
		"what follows is not named": {func(s *plan.State) { s.Current, s.Settled = "v2", true }, []string{
			"release was v1 when it was planned, and is v2",
		}},
		"down": {func(s *plan.State) { *s = plan.State{Down: "refused"} }, []string{
			"it could be looked at when it was planned, and cannot be now: refused",
		}},
	} {
		found := was
		c.change(&found)
		assert.Equal(t, c.want, was.Differs(found), name)
	}
	down := plan.State{Down: "one reason"}
	assert.Empty(t, down.Differs(plan.State{Down: "another"}))
	assert.Len(t, down.Differs(was), 1)
}

func TestDifferencesOfWhatIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*plan.Document)
		want   []string
	}{
		"none":    {func(*plan.Document) {}, nil},
		"release": {func(d *plan.Document) { d.Created = time.Time{} }, nil},
		"gone":    {func(d *plan.Document) { d.Hosts = d.Hosts[:1] }, []string{"HOSTS: h2 is gone"}},
		"new":     {func(d *plan.Document) { d.Hosts = append(d.Hosts, plan.Host{Name: "h3"}) }, []string{"HOSTS: h3 is new"}},
		"order":   {func(d *plan.Document) { d.Hosts[0], d.Hosts[1] = d.Hosts[1], d.Hosts[0] }, []string{"HOSTS: the order is another"}},
		"settings": {func(d *plan.Document) { d.Settings = map[string]string{"APP": "shop", "BATCH": "2"} }, []string{
			`BATCH was not set when it was planned, and is "2"`, `ORDER was "rolling" when it was planned, and is not set`,
		}},
		"config":  {func(d *plan.Document) { d.Config = "" }, []string{".deliver/config was 0123456789ab when it was planned, and is none"}},
		"deliver": {func(d *plan.Document) { d.Deliver = "v2.0.0" }, []string{"deliver was v1.0.0 when it was planned, and is v2.0.0"}},
	} {
		now := document()
		c.change(now)
		assert.Equal(t, c.want, document().Differs(now), name)
	}
}

func TestAStalePlanSaysSo(t *testing.T) {
	t.Parallel()
	doc := document()
	require.NoError(t, doc.Confirm("h1", doc.Hosts[0].State))
	require.ErrorIs(t, doc.Confirm("h1", plan.State{}), plan.ErrStale)
	require.ErrorIs(t, doc.Confirm("h9", plan.State{}), plan.ErrStale)
	assert.Equal(t, "the plan is stale: a; b", plan.Stale([]string{"a", "b"}).Error())
	assert.NoError(t, plan.Stale(nil))
}
