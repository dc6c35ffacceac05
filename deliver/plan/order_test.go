package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/plan"
)

func hosts(n int) []inventory.Host {
	all := make([]inventory.Host, n)
	for i := range all {
		all[i].Name = fmt.Sprintf("h%d", i+1)
	}
	return all
}

func sizes(t testing.TB, text string) plan.Sizes {
	t.Helper()
	s, err := plan.ParseSizes(text)
	require.NoError(t, err)
	return s
}

func TestBatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mode   plan.Mode
		batch  string
		canary int
		fleet  int
		want   []int
	}{
		{fleet: 5, want: []int{5}},
		{mode: plan.Parallel, fleet: 5, want: []int{5}},
		{mode: plan.Parallel, canary: 2, fleet: 5, want: []int{2, 3}},
		{mode: plan.Parallel, canary: 9, fleet: 5, want: []int{5}},
		{mode: plan.Rolling, fleet: 3, want: []int{1, 1, 1}},
		{mode: plan.Rolling, batch: "4", fleet: 10, want: []int{4, 4, 2}},
		{batch: "4", fleet: 10, want: []int{4, 4, 2}},
		{batch: "25%", fleet: 10, want: []int{3, 3, 3, 1}},
		{batch: "25%", fleet: 2, want: []int{1, 1}},
		{batch: "1,10%,50%,100%", fleet: 100, want: []int{1, 10, 50, 39}},
		{batch: "1,10%,50%,100%", fleet: 3, want: []int{1, 1, 1}},
		{batch: "1,2", fleet: 6, want: []int{1, 2, 2, 1}},
		{batch: "50%", canary: 1, fleet: 10, want: []int{1, 5, 4}},
		{batch: "5", canary: 1, fleet: 0},
		{fleet: 0},
	}
	for _, test := range tests {
		order := plan.Order{Mode: test.mode, Batch: sizes(t, test.batch), Canary: test.canary}
		require.NoError(t, order.Validate())
		var got []int
		for _, batch := range plan.Batches(hosts(test.fleet), order) {
			got = append(got, len(batch))
		}
		assert.Equal(t, test.want, got, "%+v", test)
	}
}

func TestEachHostIsInOneBatchAndTheOrderIsKept(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that can be repeated
	for range 2000 {
		order := plan.Order{Canary: rng.IntN(4)}
		for range rng.IntN(4) {
			order.Batch = append(order.Batch, plan.Amount{Number: 1 + rng.IntN(100), Percent: rng.IntN(2) == 0})
		}
		require.NoError(t, order.Validate())
		fleet := hosts(rng.IntN(300))
		batches := plan.Batches(fleet, order)
		assert.Equal(t, fleet, append([]inventory.Host{}, slices.Concat(batches...)...), "%+v", order)
		for _, batch := range batches {
			assert.NotEmpty(t, batch)
		}
	}
}

func TestABatchCannotGrowIntoTheNext(t *testing.T) {
	t.Parallel()
	fleet := hosts(4)
	batches := plan.Batches(fleet, plan.Order{Batch: sizes(t, "2")})
	_ = append(batches[0], inventory.Host{Name: "other"})
	assert.Equal(t, hosts(4), fleet)
}

func TestParseSizes(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // text → error
		"":                 "",
		"1":                "",
		"1,10%,50%,100%":   "",
		" 1 , 10% ":        "",
		"0":                `batch "0": a batch of 0 holds no host`,
		"0%":               `batch "0%": a batch of 0% holds no host`,
		"1,":               `batch "1,": "" is neither a number of hosts like 4 nor a percentage like 25%`,
		"1,,2":             `batch "1,,2": "" is neither a number of hosts like 4 nor a percentage like 25%`,
		"1 2":              `batch "1 2": "1 2" is neither a number of hosts like 4 nor a percentage like 25%`,
		"1,200%":           `batch "1,200%": "200%" is more than the whole fleet`,
		"1,10%,fifty,100%": `batch "1,10%,fifty,100%": "fifty" is neither a number of hosts like 4 nor a percentage like 25%`,
	}
	for text, want := range tests {
		_, err := plan.ParseSizes(text)
		if want == "" {
			assert.NoError(t, err, text)
			continue
		}
		assert.EqualError(t, err, want)
	}
}

func FuzzParseSizes(f *testing.F) {
	for _, seed := range []string{"", "1", "4", "25%", "1,10%,50%,100%", ",", "0", "1,,1", "%,%", "1,99999999999999999999"} {
		f.Add(seed, 10)
	}
	f.Fuzz(func(t *testing.T, text string, fleet int) {
		parsed, err := plan.ParseSizes(text)
		if err != nil {
			return
		}
		again, err := plan.ParseSizes(parsed.String())
		require.NoError(t, err)
		require.Equal(t, parsed, again)
		order := plan.Order{Batch: parsed}
		require.NoError(t, order.Validate())
		all := hosts(max(0, fleet%500))
		var n int
		for _, batch := range plan.Batches(all, order) {
			n += len(batch)
		}
		require.Equal(t, len(all), n)
	})
}

func TestParseMode(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "parallel", "rolling", " rolling "} {
		_, err := plan.ParseMode(text)
		assert.NoError(t, err, text)
	}
	_, err := plan.ParseMode("paralel")
	assert.EqualError(t, err, `order "paralel" is unknown: it is parallel or rolling`)
}

func TestValidateOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		order plan.Order
		err   string
	}{
		"nothing":       {plan.Order{}, ""},
		"all":           {plan.Order{Mode: plan.Rolling, Batch: plan.Sizes{plan.Percent(25)}, Canary: 1, Pause: time.Minute}, ""},
		"unknown":       {plan.Order{Mode: "random"}, `order "random" is unknown: it is parallel or rolling`},
		"contradiction": {plan.Order{Mode: plan.Parallel, Batch: plan.Sizes{plan.Count(4)}}, "batch 4 needs order rolling: parallel switches all hosts at once"},
		"canary":        {plan.Order{Canary: -2}, "canary -2: it is a number of hosts, 0 or more"},
		"pause":         {plan.Order{Pause: -time.Second}, "pause -1s: it is 0 or more"},
		"empty batch":   {plan.Order{Batch: plan.Sizes{plan.Count(0)}}, `batch "0": a batch of 0 holds no host`},
		"negative":      {plan.Order{Batch: plan.Sizes{plan.Count(-3)}}, `batch "-3": "-3" is neither a number of hosts like 4 nor a percentage like 25%`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.order.Validate()
			if test.err == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, test.err)
			}
		})
	}
}
