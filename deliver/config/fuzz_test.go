package config_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

func told(fields ...string) []byte { return []byte(strings.Join(fields, "\x00") + "\x00") }

func TestReadbackIsRefusedWhenItIsCutShortOrGarbled(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"no end":            []byte("variable"),
		"no count":          told("variable", "A"),
		"fewer than said":   told("variable", "A", "3", "x"),
		"many more than is": told("variable", "A", "99999999999", "x"),
		"a negative count":  told("variable", "A", "-1"),
		"a count of words":  told("variable", "A", "many"),
		"an unknown kind":   told("surprise"),
		"half a failure":    told("failed", "1", "file"),
		"half a line":       told("line", "A", "file"),
	} {
		_, err := config.ParseReadback(data)
		assert.Error(t, err, name)
	}
	_, err := config.ParseReadback(told("variable", "A", "2", "x", "", "function", "f", "line", "A", "file", "3", "end"))
	assert.NoError(t, err)
}

func FuzzReadback(f *testing.F) {
	f.Add(told("variable", "A", "2", "x", "", "function", "f", "line", "A", "file", "3", "snapshot", "text", "end"))
	f.Add(told("failed", "1", "file", "3", "word"))
	f.Add(told("exit", "1", "file", "3"))
	f.Add(told("variable", "A", "99999999999999"))
	f.Add(told("old", "3.2"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := config.ParseReadback(data)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(fmt.Sprint(got)), 40*len(data)+1000)
	})
}

// A word that is quoted stays one word with the same text.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "a b", "it's", "'", "$(false)", "`x`", "\\", "\n", "é", "-n", "*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if strings.ContainsRune(word, 0) {
			return // no word of bash holds a NUL byte
		}
		out, err := exec.Command("bash", "-c", "printf %s "+config.Quote(word)).Output()
		require.NoError(t, err)
		require.Equal(t, word, string(out))
	})
}

func FuzzSuggest(f *testing.F) {
	f.Add("BACTH", "BATCH")
	f.Add("", "")
	f.Add("é", "HOSTS")
	f.Fuzz(func(t *testing.T, word, candidate string) {
		if len(word)*len(candidate) > 1<<16 {
			return // no name is that long
		}
		if got := config.Suggest(word, []string{candidate}); got != "" {
			require.NotEqual(t, word, candidate)
			require.Contains(t, got, candidate)
		}
	})
}
