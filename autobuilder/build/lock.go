package build

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Lock keeps a project's builds waiting, but for those of who locked it.
type Lock struct {
	Project string    `json:"project"`
	By      string    `json:"by"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"` // zero: until somebody unlocks it
}

// Words are who locked it, why, and until when.
func (l Lock) Words() string {
	words := "locked by " + l.By
	if l.Reason != "" {
		words += ": " + l.Reason
	}
	if !l.Until.IsZero() {
		words += ", until " + l.Until.UTC().Format("2006-01-02 15:04 UTC")
	}
	return words
}

// longestLock is a month: who forgets a lock has it end all the same.
const longestLock = 31 * 24 * time.Hour

var lockTime = regexp.MustCompile(`^(\d{1,6})(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)$`)

// ParseLockTime reads how long a lock is to last, as people write it: 90m, 1h30m,
// 2h, 2hours, 3d; not more than a month.
func ParseLockTime(text string) (time.Duration, bool) {
	text = strings.ToLower(text)
	d, err := time.ParseDuration(text)
	if m := lockTime.FindStringSubmatch(text); err != nil && m != nil {
		n, _ := strconv.Atoi(m[1]) // six digits
		d, err = time.Duration(n)*unit(m[2][0]), nil
	}
	d = d.Round(time.Second)
	return d, err == nil && d > 0 && d <= longestLock
}

func unit(letter byte) time.Duration {
	return map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	}[letter]
}
