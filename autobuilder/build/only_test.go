package build_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
)

func TestServersAreNamed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "  ": "", "h1": "h1", "h1,h2": "h1,h2", " h1, h2 ,h3 h4 ": "h1,h2,h3,h4", "web-[1-8,11]": "web-[1-8,11]",
		"web-*,db.example.com": "web-*,db.example.com", "web-[1, 3]": "web-[1,3]", "*": "*", "app_1": "app_1",
	} {
		only, err := build.ParseOnly(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, only, text)
	}
	for _, text := range []string{
		",", "h1,,h2", "--hosts=h1", "-x", "h1 --x", "h1,-x", "[1,,2]", "h1;reboot", "$(id)", "`id`", "h1&TAG=v2", "h1=h2", "h1|h2", "../h1", "h1\x00", "h1\u200b", "ada@h1",
		"h1:22", "'h1'", `"h1"`, "h1\\", "{1..8}", "h1%0aTAG=x", "<h1>", "h1,~", strings.Repeat("h", 501),
	} {
		only, err := build.ParseOnly(text)
		require.ErrorContains(t, err, "named like h1,h2", text)
		assert.Empty(t, only)
	}
	assert.Equal(t, "to h1, h2 only", build.ToOnly("h1,h2"))
	assert.Empty(t, build.ToOnly(""))
}

// FuzzParseOnly: what is taken is one plain word, and is taken again as it is.
func FuzzParseOnly(f *testing.F) {
	for _, text := range []string{"h1, h2", "web-[1-8,11]", "*", ",", "$(id)", "a\nb"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		only, err := build.ParseOnly(text)
		if err != nil {
			assert.Empty(t, only)
			return
		}
		assert.False(t, strings.ContainsAny(only, " \t\r\n\"'`$;&|<>(){}\\=~!#%"), only)
		assert.False(t, strings.HasPrefix(only, "-") || strings.Contains(only, ",-"), only)
		again, err := build.ParseOnly(only)
		require.NoError(t, err)
		assert.Equal(t, only, again)
	})
}

// A job that does not know the servers it is to keep to refuses the build, rather
// than deliver to all: so the parameter is sent only where it means something.
func TestTheServersAreAParameter(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "h1,h2", build.Build{Only: "h1,h2"}.Params()["DELIVER_ONLY"])
	assert.NotContains(t, build.Build{}.Params(), "DELIVER_ONLY")
	for field, p := range map[string]build.Project{
		"parameters": {Name: "shop", Repo: "acme/shop", Parameters: map[string]string{"DELIVER_ONLY": ""}},
		"env":        {Name: "shop", Repo: "acme/shop", Env: map[string]string{"DELIVER_ONLY": "h1"}},
	} {
		p.Defaults()
		require.ErrorContains(t, p.Validate(), field+": ")
	}
}
