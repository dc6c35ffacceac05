package plan_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"deliver/plan"
)

func TestParseOnFailure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]plan.OnFailure{
		"": plan.Rollback, "rollback": plan.Rollback, "stop": plan.Stop, "continue": plan.Continue,
	} {
		got, err := plan.ParseOnFailure(text)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := plan.ParseOnFailure("abort")
	assert.EqualError(t, err, `on-failure "abort" is unknown: it is rollback, stop or continue`)
}

func TestValidateLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		limits plan.Limits
		err    string
	}{
		"nothing":   {plan.Limits{}, ""},
		"default":   {plan.DefaultLimits(), ""},
		"unknown":   {plan.Limits{OnFailure: "x"}, `on-failure "x" is unknown: it is rollback, stop or continue`},
		"failures":  {plan.Limits{MaxFailures: plan.Percent(120)}, `max-failures: "120%" is more than the whole fleet`},
		"reachable": {plan.Limits{MaxUnreachable: plan.Count(-1)}, `max-unreachable: "-1" is neither a number of hosts like 4 nor a percentage like 25%`},
		"shrink":    {plan.Limits{MaxShrink: plan.Count(-1)}, `max-shrink: "-1" is neither a number of hosts like 4 nor a percentage like 25%`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.limits.Validate()
			if test.err == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, test.err)
			}
		})
	}
}

func TestRollsBack(t *testing.T) {
	t.Parallel()
	assert.True(t, plan.Limits{}.RollsBack())
	assert.True(t, plan.DefaultLimits().RollsBack())
	assert.False(t, plan.Limits{OnFailure: plan.Stop}.RollsBack())
	assert.False(t, plan.Limits{OnFailure: plan.Continue}.RollsBack())
}

func TestShrunk(t *testing.T) {
	t.Parallel()
	five := []string{"a", "b", "c", "d", "e"}
	ten := append([]string{"f", "g", "h", "i", "j"}, five...)
	tests := map[string]struct {
		before, now []string
		limit       plan.Amount
		err         string
	}{
		"first delivery":     {nil, five, plan.Percent(50), ""},
		"as before":          {five, five, plan.Percent(0), ""},
		"grown":              {five, ten, plan.Percent(0), ""},
		"two of five gone":   {five, five[:3], plan.Percent(50), ""},
		"a half gone":        {ten, five, plan.Percent(50), ""},
		"all replaced":       {five, []string{"v", "w", "x", "y", "z"}, plan.Percent(50), ""},
		"three of five gone": {five, five[:2], plan.Percent(50), "the list of hosts shrank: 5 hosts at the last delivery, 2 now, gone are c, d, e; if that is right, raise --max-shrink (50%)"},
		"nine of ten gone":   {ten, ten[:1], plan.Percent(50), "the list of hosts shrank: 10 hosts at the last delivery, 1 now, gone are g, h, i, j, a and 4 more; if that is right, raise --max-shrink (50%)"},
		"one may":            {five, five[:4], plan.Count(1), ""},
		"none may":           {five, five[:4], plan.Count(0), "the list of hosts shrank: 5 hosts at the last delivery, 4 now, gone are e; if that is right, raise --max-shrink (0)"},
		"empty":              {five, nil, plan.Percent(100), "the list of hosts shrank: it is empty; look at what HOSTS gives"},
		"empty at first":     {nil, nil, plan.Percent(100), "the list of hosts shrank: it is empty; look at what HOSTS gives"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := plan.Shrunk(test.before, test.now, test.limit)
			if test.err == "" {
				assert.NoError(t, err)
				return
			}
			assert.EqualError(t, err, test.err)
			assert.ErrorIs(t, err, plan.ErrShrunk)
		})
	}
}
