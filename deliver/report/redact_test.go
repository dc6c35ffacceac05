package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/report"
	"deliver/rollout"
)

const sentinel = `s3cr"et/<va>lue`

func TestRedactor(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		secrets    []string
		text, want string
	}{
		"none":            {nil, "abc", "abc"},
		"empty secret":    {[]string{""}, "abc", "abc"},
		"in the middle":   {[]string{"hunter2"}, "pw=hunter2;", "pw=[secret];"},
		"twice":           {[]string{"x1"}, "x1 x1", "[secret] [secret]"},
		"longest first":   {[]string{"abc", "abcdef"}, "abcdef abc", "[secret] [secret]"},
		"of many lines":   {[]string{"BEGIN\nkey\nEND"}, "a BEGIN\nkey\nEND b", "a [secret] b"},
		"is not a regexp": {[]string{"a.c"}, "abc a.c", "abc [secret]"},
	}
	for name, test := range tests {
		assert.Equal(t, test.want, report.NewRedactor(test.secrets...).Text(test.text), name)
	}
	assert.Equal(t, "abc", report.Redactor{}.Text("abc"))
}

// leaky is a rollout in which a secret is everywhere.
func leaky(to handler) {
	s := play(to).start("h1", "h2", sentinel).enter("ship "+sentinel, "h1", "h2")
	s.message("h1", sentinel, sentinel).message("", "a"+sentinel+"\n"+sentinel, "")
	s.do("step "+sentinel, "h1").begin(sentinel, "h2").fail(sentinel, "exit 1: "+sentinel, "h2").undo("h2")
}

func leakyOutcome() rollout.Outcome {
	bad := failed(rollout.HostUndoFailed, sentinel, hinted{"curl " + sentinel, "not " + sentinel}, "h2")
	bad[0].UndoErr = errors.New(sentinel)
	bad[0].Stage = sentinel
	bad = append(bad, rollout.HostOutcome{Host: inventory.Host{Name: sentinel}, Result: rollout.HostFailed, Step: "x", Err: errors.New(sentinel)})
	return outcome(rollout.Failed, errors.New("because of "+sentinel), bad...)
}

func TestNoSecretInAnyOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		redact := report.NewRedactor(sentinel)
		var all []string
		for _, opts := range []report.Options{{}, {Verbose: true}, {Compact: true}, {Color: true}, {Bars: true, Width: 200}, {Bars: true, Width: 40, Height: 6}} {
			out := &paper{}
			opts.Out, opts.Redact, opts.App, opts.Strategy, opts.Hint = out, redact, "app "+sentinel, sentinel, hintOf
			r := report.New(opts)
			leaky(r)
			<-time.After(5 * time.Second)
			r.Finish(leakyOutcome())
			all = append(all, out.String())
		}
		events, object := &paper{}, &paper{}
		leaky(report.NewEvents(events, redact))
		require.NoError(t, report.JSON(object, leakyOutcome(), redact))
		for _, text := range append(all, events.String(), object.String()) {
			assert.Contains(t, text, "[secret]")
			assert.NotContains(t, text, "s3cr")
			assert.NotContains(t, text, "lue")
		}
	})
}

func TestASecretOfManyLinesIsNotShownInParts(t *testing.T) {
	t.Parallel()
	key := "-----BEGIN KEY-----\nMIIabc\n-----END KEY-----"
	out := &paper{}
	r := report.New(report.Options{Out: out, Redact: report.NewRedactor(key)})
	play(r).start("h1").enter("switch", "h1").message("h1", "key:\n"+key, "")
	r.Finish(outcome(rollout.Failed, errors.New(key), failed(rollout.HostFailed, "x", errors.New(key), "h1")...))
	assert.NotContains(t, out.String(), "MII")
	assert.Equal(t, 3, strings.Count(out.String(), "[secret]"))
}

func TestASecretCutOutOfSequencesIsStillOne(t *testing.T) {
	t.Parallel()
	out := &paper{}
	r := report.New(report.Options{Out: out, Redact: report.NewRedactor("hunter2")})
	play(r).start("h1").message("", "hun\x1b[0mter2", "")
	assert.NotContains(t, out.String(), "hunter2")
	assert.True(t, bytes.Contains([]byte(out.String()), []byte("[secret]")))
}

func TestASecretCutOutOfSequencesIsNotDrawn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &paper{}
		r := report.New(report.Options{Out: out, Bars: true, Redact: report.NewRedactor("hunter2")})
		play(r).start("h1").enter("switch", "h1").fail("check", "hun\x1b[0mter2", "h1")
		<-time.After(time.Second)
		r.Finish(outcome(rollout.OK, nil))
		assert.NotContains(t, out.String(), "hunter2")
		assert.Contains(t, out.String(), "FAILED   check: [secret]")
	})
}
