package host

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestALeaseIsCountedFromTheBoot(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(leaseFile{
		Lease: Lease{Token: 7, Run: "one"}, Boot: "this", Ends: time.Hour, Line: []waiter{{Run: "two"}},
	})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		boot string
		now  time.Duration
		left time.Duration
		line int
	}{
		"under way":       {"this", 20 * time.Minute, 40 * time.Minute, 1},
		"over":            {"this", time.Hour, 0, 1},
		"long over":       {"this", 9 * time.Hour, 0, 1},
		"before the boot": {"another", time.Second, 0, 0},
	} {
		file := parseLease(text, c.boot, c.now)
		assert.Equal(t, c.left, file.Left, name)
		assert.Equal(t, c.left > 0, file.Held(), name)
		assert.Len(t, file.Line, c.line, name)
		assert.Equal(t, int64(7), file.Token, name)
	}
}

func TestWhoDoesNotAskAnyMoreLeavesTheLine(t *testing.T) {
	t.Parallel()
	file := leaseFile{Line: []waiter{{Run: "dead", Seen: time.Second}, {Run: "alive", Seen: 20 * time.Second}}}
	position := file.stand(Claim{Run: "new", Queue: true}, 21*time.Second)
	assert.Equal(t, 2, position)
	assert.Equal(t, []waiter{{Run: "alive", Seen: 20 * time.Second}, {Run: "new", Seen: 21 * time.Second}}, file.Line)
	assert.Equal(t, 3, file.stand(Claim{Run: "hasty"}, 21*time.Second))
	assert.Len(t, file.Line, 2, "who does not queue takes no place")
}

func TestARunnerIsGoneWhenItsProcessIs(t *testing.T) {
	t.Parallel()
	assert.False(t, ThisProcess().Gone())
	assert.False(t, Runner{}.Gone(), "nothing is known of it")

	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	pid := child.Process.Pid
	runner := Runner{Machine: machine(), PID: pid, Start: process(pid).startTicks()}
	assert.False(t, runner.Gone())
	another := runner
	another.Start = "1"
	assert.True(t, another.Gone(), "another process has its number by now")
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	assert.True(t, runner.Gone())
	elsewhere := runner
	elsewhere.Machine = "another boot"
	assert.False(t, elsewhere.Gone(), "what runs on other machines is not known")
}

func FuzzLease(f *testing.F) {
	f.Add([]byte(`{"token":7,"run":"one","boot":"this","ends":3600000000000,"line":[{"run":"two","seen":1}]}`))
	f.Add([]byte(`{"token":-1}`))
	f.Add([]byte(`{"tok`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := parseLease(text, "this", time.Minute)
		assert.GreaterOrEqual(t, file.Token, int64(0))
		assert.GreaterOrEqual(t, file.Left, time.Duration(0))
		if file.Boot != "this" {
			assert.False(t, file.Held())
		}
	})
}
