package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Amount is a number of hosts, or a percentage of the fleet. It is written
// "4" or "25%". The zero Amount is no host.
type Amount struct {
	Number  int
	Percent bool
}

// Count is an Amount of n hosts.
func Count(n int) Amount { return Amount{Number: n} }

// Percent is an Amount of p percent of the fleet.
func Percent(p int) Amount { return Amount{Number: p, Percent: true} }

// ParseAmount reads an Amount as people write it: "4" or "25%".
func ParseAmount(s string) (Amount, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !onlyDigits(digits) {
		return Amount{}, fmt.Errorf("%q is neither a number of hosts like 4 nor a percentage like 25%%", s)
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > maxHosts {
		return Amount{}, fmt.Errorf("%q is too large", s)
	}
	if percent && n > 100 {
		return Amount{}, fmt.Errorf("%q is more than the whole fleet", s)
	}
	return Amount{Number: n, Percent: percent}, nil
}

// maxHosts keeps every sum of amounts far from an overflow.
const maxHosts = 1_000_000

func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String writes the amount as ParseAmount reads it.
func (a Amount) String() string {
	if a.Percent {
		return strconv.Itoa(a.Number) + "%"
	}
	return strconv.Itoa(a.Number)
}

// MarshalText writes the amount as ParseAmount reads it.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseAmount.
func (a *Amount) UnmarshalText(text []byte) error {
	parsed, err := ParseAmount(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// Batch is how many hosts of the fleet the amount is as the size of a batch:
// a percentage is rounded up, and a batch is never empty.
func (a Amount) Batch(fleet int) int {
	n := a.Number
	if a.Percent {
		n = (fleet*a.Number + 99) / 100
	}
	return max(n, 1)
}

// Limit is how many hosts of the fleet the amount is as a limit: a percentage
// is rounded down, so that 10% of 5 hosts tolerates none.
func (a Amount) Limit(fleet int) int {
	if a.Percent {
		return fleet * a.Number / 100
	}
	return a.Number
}
