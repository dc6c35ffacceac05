package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

// Help is read in a terminal of 80 columns.
func TestHelpFitsTheScreen(t *testing.T) {
	t.Parallel()
	e := &environment{flags: map[string]string{}}
	all := completed(commands(e), e)
	pages := []string{overview(e, all), settingsPage(), hooksPage()}
	for _, c := range all {
		pages = append(pages, commandPage(c))
	}
	for _, page := range pages {
		for line := range strings.Lines(page) {
			assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), helpWidth, line)
		}
	}
}

func TestHelpNamesEveryCommandAndEverySetting(t *testing.T) {
	t.Parallel()
	e := &environment{flags: map[string]string{}}
	all := completed(commands(e), e)
	page := overview(e, all)
	for _, c := range all {
		if c.Hidden {
			assert.NotContains(t, page, "\n  "+c.Name+" ")
			continue
		}
		assert.Contains(t, page, "\n  "+c.Name)
		assert.NotEmpty(t, c.Usage, c.Name)
	}
	page = settingsPage()
	for _, v := range config.Variables() {
		assert.Contains(t, page, "\n  "+v.Name)
		if v.Flag != "" {
			assert.Contains(t, page, " --"+v.Flag)
		}
	}
}

func TestACommandsPageShowsItsOwnFlagsOnly(t *testing.T) {
	t.Parallel()
	e := &environment{flags: map[string]string{}}
	var out bytes.Buffer
	e.stdout = &out
	require.NoError(t, help(e, tree(e), []string{"push"}))
	assert.Contains(t, out.String(), "  --force")
	assert.NotContains(t, out.String(), "--batch")
	assert.NotContains(t, out.String(), "--json")

	out.Reset()
	require.NoError(t, help(e, tree(e), []string{"check"}))
	assert.Contains(t, out.String(), "  --hosts ")
}
