package checklist_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/checklist"
)

const example = `# Release 2.0.0

The export is off for about ten minutes. Prose is for people.

1. an ordinary list is prose too
- so is this

## Steps
- [ ] tell support that the export goes away
- [ ] run: ` + "`./migrate expand --yes`" + `
* [ ] Deploy billing@v3.1.0
  + [ ] wait: 10m
- [ ] deploy: shop@v2.0.0

<!-- not now:
- [ ] deploy till@v9.0.0
-->
<!-- - [ ] nor this -->
` + "```" + `
- [ ] an example in a box
` + "```" + `
- [ ] RUN: ./migrate contract
`

func TestTheStepsOfAChecklist(t *testing.T) {
	t.Parallel()
	want := []build.Item{
		{N: 1, Line: 9, Kind: build.ItemPerson, Text: "tell support that the export goes away"},
		{N: 2, Line: 10, Kind: build.ItemRun, Text: "run: `./migrate expand --yes`", Command: "./migrate expand --yes"},
		{N: 3, Line: 11, Kind: build.ItemDeploy, Text: "Deploy billing@v3.1.0", Project: "billing", Version: "v3.1.0"},
		{N: 4, Line: 12, Kind: build.ItemWait, Text: "wait: 10m", Wait: 10 * time.Minute},
		{N: 5, Line: 13, Kind: build.ItemDeploy, Text: "deploy: shop@v2.0.0", Project: "shop", Version: "v2.0.0"},
		{N: 6, Line: 22, Kind: build.ItemRun, Text: "RUN: ./migrate contract", Command: "./migrate contract"},
	}
	for i := range want {
		want[i].State = build.ItemTodo
	}
	for name, text := range map[string]string{"as on Unix": example, "as on Windows": strings.ReplaceAll(example, "\n", "\r\n")} {
		steps, err := checklist.Parse(text)
		require.NoError(t, err, name)
		assert.Equal(t, want, steps, name)
	}
}

func TestAFileWithoutItemsHasNoSteps(t *testing.T) {
	t.Parallel()
	steps, err := checklist.Parse("# nothing to do\n\n- buy cake\n")
	require.NoError(t, err)
	assert.Empty(t, steps)
}

func TestMistakesAreNamedWithTheirLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"- [x] done before":           "line 3: write an open box",
		"- [] no box":                 "line 3: write an open box",
		"- [ ]":                       "line 3: the step says nothing",
		"- [ ] deploy billing":        `line 3: deploy needs PROJECT@TAG, such as deploy billing@v3.1.0, not "billing"`,
		"- [ ] deploy billing@":       "line 3: deploy needs PROJECT@TAG",
		"- [ ] deploy @v1":            "line 3: deploy needs PROJECT@TAG",
		"- [ ] deploy a@-v1":          "line 3: deploy needs PROJECT@TAG",
		"- [ ] deploy a@v1 and b@v2":  "line 3: deploy needs PROJECT@TAG",
		"- [ ] deploy the docs":       "begin with another word if a person does it",
		"- [ ] run:":                  "line 3: run: needs a command",
		"- [ ] run ./migrate":         "line 3: write run: with a colon",
		"- [ ] wait: soon":            `line 3: wait: needs a time of at most 720h, such as 10m or 1h30m, not "soon"`,
		"- [ ] wait: -1m":             "line 3: wait: needs a time",
		"- [ ] wait: 10000h":          "line 3: wait: needs a time",
		"- [ ] wait for the reindex":  "line 3: write wait: with a colon",
		"- [ ] look at \x1b[31mthis":  "line 3: the step holds characters that are no text",
		"- [ ] look at \xff\xfe this": "line 3: the step holds characters that are no text",
	} {
		_, err := checklist.Parse("# Release\n\n" + line + "\n")
		require.ErrorContains(t, err, want, line)
		var mistake *checklist.Mistake
		require.ErrorAs(t, err, &mistake, line)
	}
	_, err := checklist.Parse("- [ ] deploy a\n- [ ] wait: b\n")
	require.ErrorContains(t, err, "line 1: ")
	require.ErrorContains(t, err, "line 2: ")
	_, err = checklist.Parse(strings.Repeat("- [ ] again\n", 201))
	require.ErrorContains(t, err, "line 201: a checklist has at most 200 steps")
}

// FuzzParse: what is let through can be carried out and shown.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("- [ ] deploy a@b\n- [x]\n<!--\n~~~")
	f.Fuzz(func(t *testing.T, text string) {
		steps, err := checklist.Parse(text)
		if err != nil {
			assert.Empty(t, steps)
			assert.Contains(t, err.Error(), "line ")
			return
		}
		line := 0
		for i, s := range steps {
			assert.Equal(t, i+1, s.N)
			assert.Greater(t, s.Line, line)
			line = s.Line
			assert.NotEmpty(t, s.Text)
			assert.NotContains(t, s.Text, "\n")
			assert.Equal(t, s.Kind == build.ItemDeploy, s.Project != "" && s.Version != "")
			assert.Equal(t, s.Kind == build.ItemRun, s.Command != "")
			assert.Equal(t, s.Kind == build.ItemWait, s.Wait > 0)
		}
	})
}
