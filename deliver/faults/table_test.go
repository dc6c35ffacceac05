package faults_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// row is a row of the table: what happens, what comes of it, and the test.
type row struct {
	fault   string
	happens string
	code    int
	says    string // in the last lines
	test    func(*testing.T, *lab, row)
	codes   string // where there are several
}

// table are all rows.
func table() []row {
	var all []row
	for _, rows := range [][]row{
		notThere(), poweredOff(), rebooted(), frozen(), cutOff(), cutBriefly(), diskFull(), inodesGone(), readOnly(), badRelease(),
		killed(), interrupted(), listChanges(), clocks(), many(),
	} {
		all = append(all, rows...)
	}
	return all
}

func (r row) testName() string {
	return strings.NewReplacer(" ", "_", ",", "", "'", "", "(", "", ")", "", ":", "").Replace(r.fault)
}

// requireSaid asks that a run ended as the row says.
func (r row) requireSaid(t *testing.T, run *run) {
	t.Helper()
	said := run.stderr.String()
	assert.Equal(t, r.code, run.code, said)
	assert.Contains(t, run.ending(), r.says, said)
}

const (
	tableFile  = "../../docs/reliability.md"
	tableBegin = "<!-- made from the tests: UPDATE_DOCS=1 go test ./faults -run TestTable -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// TestTable holds the table of the docs against the tests.
func TestTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(tableFile)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), tableBegin)
	require.True(t, found)
	_, after, found := strings.Cut(rest, tableEnd)
	require.True(t, found)
	want := before + tableBegin + written() + tableEnd + after
	if os.Getenv("UPDATE_DOCS") == "1" {
		require.NoError(t, os.WriteFile(tableFile, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(text), "UPDATE_DOCS=1 go test ./faults -run TestTable writes it anew")
}

func written() string {
	var out strings.Builder
	out.WriteString("\n| fault | what happens | exit code | the last lines say | test |\n|---|---|---|---|---|\n")
	for _, r := range table() {
		code, says := r.codes, ""
		if code == "" {
			code = fmt.Sprint(r.code)
		}
		if r.says != "" {
			says = "`" + strings.TrimSpace(r.says) + "`"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | `TestFaults/%s` |\n", r.fault, r.happens, code, says, r.testName())
	}
	out.WriteString("\n")
	return out.String()
}
