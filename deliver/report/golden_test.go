package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// paper remembers each Write.
type paper struct {
	mu     sync.Mutex
	writes []string
}

func (p *paper) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes = append(p.writes, string(text))
	return len(text), nil
}

func (p *paper) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.writes)
}

func (p *paper) String() string { return strings.Join(p.all(), "") }

// frames are the sequences with which a frame takes the one before away.
var frames = regexp.MustCompile(`\x1b\[(\d+)A\x1b\[J`)

// onTerminal is what a terminal would show of what was written.
func onTerminal(t *testing.T, written string) string {
	t.Helper()
	var screen []byte
	at := 0
	for _, m := range frames.FindAllStringSubmatchIndex(written, -1) {
		screen = append(screen, written[at:m[0]]...)
		n, err := strconv.Atoi(written[m[2]:m[3]])
		require.NoError(t, err)
		screen = withoutLines(screen, n)
		at = m[1]
	}
	return string(append(screen, written[at:]...))
}

func withoutLines(screen []byte, n int) []byte {
	for ; n > 0; n-- {
		screen = bytes.TrimSuffix(screen, []byte("\n"))
		screen = screen[:bytes.LastIndexByte(screen, '\n')+1]
	}
	return screen
}
