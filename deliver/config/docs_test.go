package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

const (
	reference = "../../docs/config.md"
	begin     = "<!-- made from the table of variables: UPDATE_DOCS=1 go test ./config -run TestReference -->\n"
	end       = "<!-- end of the table -->\n"
)

// The reference says of every variable what the table says of it.
func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	text := contents(t, reference)
	before, rest, found := strings.Cut(text, begin)
	require.True(t, found, "%s has lost its mark", reference)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has lost its mark", reference)
	want := before + begin + tables() + end + after
	if os.Getenv("UPDATE_DOCS") == "1" {
		require.NoError(t, os.WriteFile(reference, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, text, "write it anew: UPDATE_DOCS=1 go test ./config -run TestReference")
}

func tables() string {
	var b strings.Builder
	group := ""
	for _, v := range config.Variables() {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&b, "\n### %s\n\n| variable | flag | default | meaning |\n|---|---|---|---|\n", strings.ToUpper(group[:1])+group[1:])
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", variableCell(v), flagCell(v), defaultCell(v), meaningCell(v))
	}
	return b.String() + "\n"
}

func variableCell(v config.Variable) string {
	if v.Run {
		return "`DELIVER_" + v.Name + "`"
	}
	return "`" + v.Name + "`"
}

func flagCell(v config.Variable) string {
	switch {
	case v.Flag == "":
		return ""
	case v.Name == "STRATEGY":
		return "`--strategy`, `-s`"
	case v.Name == "REFSPEC":
		return "`--refspec`, `--ref`"
	default:
		return "`--" + v.Flag + "`"
	}
}

func defaultCell(v config.Variable) string {
	switch {
	case v.Default != "":
		return "`" + v.Default + "`"
	case v.From != "":
		return "from `" + v.From + "`"
	default:
		return ""
	}
}

func meaningCell(v config.Variable) string {
	text := v.Help
	if len(v.Choices) > 0 {
		text += ": " + strings.Join(v.Choices, ", ")
	}
	if v.Secret {
		text += "; never printed"
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
