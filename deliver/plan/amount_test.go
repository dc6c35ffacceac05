package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/plan"
)

func TestParseAmount(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want plan.Amount
		err  string
	}{
		"0":         {want: plan.Count(0)},
		"4":         {want: plan.Count(4)},
		" 4 ":       {want: plan.Count(4)},
		"007":       {want: plan.Count(7)},
		"25%":       {want: plan.Percent(25)},
		"100%":      {want: plan.Percent(100)},
		"0%":        {want: plan.Percent(0)},
		"1000000":   {want: plan.Count(1000000)},
		"":          {err: `"" is neither a number of hosts like 4 nor a percentage like 25%`},
		"%":         {err: `"%" is neither a number of hosts like 4 nor a percentage like 25%`},
		"-1":        {err: `"-1" is neither a number of hosts like 4 nor a percentage like 25%`},
		"+1":        {err: `"+1" is neither a number of hosts like 4 nor a percentage like 25%`},
		"1.5":       {err: `"1.5" is neither a number of hosts like 4 nor a percentage like 25%`},
		"half":      {err: `"half" is neither a number of hosts like 4 nor a percentage like 25%`},
		"10 %":      {err: `"10 %" is neither a number of hosts like 4 nor a percentage like 25%`},
		"5%%":       {err: `"5%%" is neither a number of hosts like 4 nor a percentage like 25%`},
		"101%":      {err: `"101%" is more than the whole fleet`},
		"1000001":   {err: `"1000001" is too large`},
		"9" + nines: {err: `"9` + nines + `" is too large`},
	}
	for text, test := range tests {
		got, err := plan.ParseAmount(text)
		if test.err != "" {
			assert.EqualError(t, err, test.err)
			continue
		}
		require.NoError(t, err, text)
		assert.Equal(t, test.want, got, text)
	}
}

const nines = "9999999999999999999999"

func TestAmountOfAFleet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount       string
		fleet        int
		batch, limit int
	}{
		{"4", 10, 4, 4},
		{"4", 2, 4, 4},
		{"25%", 10, 3, 2},
		{"25%", 4, 1, 1},
		{"10%", 5, 1, 0},
		{"1%", 1000, 10, 10},
		{"100%", 7, 7, 7},
		{"100%", 0, 1, 0},
		{"0", 10, 1, 0},
		{"33%", 3, 1, 0},
		{"34%", 3, 2, 1},
	}
	for _, test := range tests {
		amount, err := plan.ParseAmount(test.amount)
		require.NoError(t, err)
		assert.Equal(t, test.batch, amount.Batch(test.fleet), "batch of %s of %d", test.amount, test.fleet)
		assert.Equal(t, test.limit, amount.Limit(test.fleet), "limit of %s of %d", test.amount, test.fleet)
	}
}

func TestAmountIsItsTextInJSON(t *testing.T) {
	t.Parallel()
	limits := plan.DefaultLimits()
	limits.MaxFailures = plan.Count(2)
	text, err := json.Marshal(limits)
	require.NoError(t, err)
	assert.JSONEq(t, `{"max_failures":"2","max_unreachable":"0","on_failure":"rollback","max_shrink":"50%"}`, string(text))
	var back plan.Limits
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, limits, back)
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"max_shrink":"lots"}`), &back), "neither a number")
}

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"0", "1", "25%", "100%", "101%", "", "%", "-1", "1e3", "٣", nines} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := plan.ParseAmount(text)
		if err != nil {
			return
		}
		again, err := plan.ParseAmount(amount.String())
		require.NoError(t, err)
		assert.Equal(t, amount, again)
		assert.GreaterOrEqual(t, amount.Batch(1000), 1)
		assert.GreaterOrEqual(t, amount.Limit(1000), 0)
	})
}
