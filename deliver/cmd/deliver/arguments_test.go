package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

func tree(e *environment) []*cli.Command {
	return completed([]*cli.Command{
		{Name: "push", Usage: "deliver", Flags: []cli.Flag{&cli.BoolFlag{Name: "force"}}},
		{Name: "check", Usage: "look", Flags: []cli.Flag{&cli.BoolFlag{Name: "hosts"}}},
		{Name: "apply", Usage: "do", ArgsUsage: "FILE"},
		{Name: "host", Hidden: true},
	}, e)
}

func TestArrange(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                             "push",
		"push":                         "push",
		"--batch 2":                    "push --batch=2",
		"--batch=2":                    "push --batch=2",
		"-batch 2":                     "push --batch=2",
		"-s copy":                      "push --strategy=copy",
		"-s copy check":                "check --strategy=copy",
		"check -s copy":                "check --strategy=copy",
		"check -s=copy":                "check --strategy=copy",
		"-s check":                     "push --strategy=check",
		"--ref v1":                     "push --refspec=v1",
		"--force":                      "push --force",
		"--force --batch 2 push -P":    "push --force --batch=2 -P",
		"--hosts a,b":                  "push --hosts=a,b",
		"check --hosts":                "check --hosts",
		"apply plan.json --batch 2":    "apply --batch=2 -- plan.json",
		"apply --batch 2 plan.json -C": "apply --batch=2 -C -- plan.json",
		"apply -- --batch":             "apply -- --batch",
		"apply -":                      "apply -- -",
		"--build - check":              "check --build=-",
		"--restart-cmd -x":             "push --restart-cmd=-x",
		"--restart-cmd=a=b":            "push --restart-cmd=a=b",
		"--restart-cmd=":               "push --restart-cmd=",
		"host":                         "host",
	} {
		asked, err := arrange(strings.Fields(line), tree(&environment{flags: map[string]string{}}))
		require.NoError(t, err, line)
		assert.Equal(t, "deliver "+want, strings.Join(asked.line(), " "), line)
	}
}

func TestArrangeRefuses(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"puhs":              `unknown command "puhs" (did you mean push?)`,
		"xyz":               `unknown command "xyz"; deliver --help`,
		"hots":              `unknown command "hots"; deliver --help`, // host is internal
		"--batchs 2":        "deliver push knows no flag --batchs (did you mean --batch?)",
		"--batch 2 puhs":    `unknown command "puhs" (did you mean push?)`,
		"--batchs=2":        "deliver push knows no flag --batchs (did you mean --batch?)",
		"check --force":     "deliver check knows no flag --force",
		"check --max-fail":  "deliver check knows no flag --max-fail",
		"check --batch":     "--batch needs a value",
		"check -PC":         "knows no flag -PC",
		"check --tokn=s3cr": "knows no flag --tokn",
	} {
		_, err := arrange(strings.Fields(line), tree(&environment{flags: map[string]string{}}))
		require.ErrorContains(t, err, want, line)
		assert.NotContains(t, err.Error(), "s3cr")
		assert.Equal(t, exitUsage, exitCode(t.Context(), err), line)
	}
}

func TestHelpAndVersionEndTheReading(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]invocation{
		"-h --nonsense":    {help: true},
		"--help check":     {help: true, named: true},
		"check -h -x":      {help: true, named: true},
		"-v check":         {version: true, named: true},
		"check --version":  {version: true, named: true},
		"--batch 2 --help": {help: true},
	} {
		asked, err := arrange(strings.Fields(line), tree(&environment{flags: map[string]string{}}))
		require.NoError(t, err, line)
		assert.Equal(t, want, invocation{help: asked.help, version: asked.version, named: asked.named}, line)
	}
}

func TestListsGivenTwiceAreJoinedAndOtherwiseTheLastCounts(t *testing.T) {
	t.Parallel()
	e := &environment{flags: map[string]string{}}
	commands := tree(e)
	asked, err := arrange(strings.Fields("push --only a --batch 1 --only b,c --batch 2 -s x"), commands)
	require.NoError(t, err)
	asked.command.Action = func(*cli.Context) error { return nil }
	require.NoError(t, newApp(e, commands).Run(asked.line()))
	assert.Equal(t, map[string]string{"ONLY": "a,b,c", "BATCH": "2", "STRATEGY": "x"}, e.flags)
}

// Whatever stands on the command line, it is taken apart or refused, and the
// command stands where the cli package looks for it.
func FuzzArrange(f *testing.F) {
	for _, seed := range []string{"", "check", "-s\x00x", "--batch=2\x00check", "--\x00check", "-", "--=", "-h", "--batch\x00--\x00check"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, joined string) {
		asked, err := arrange(strings.Split(joined, "\x00"), tree(&environment{flags: map[string]string{}}))
		if err != nil || asked.help || asked.version {
			return
		}
		require.Equal(t, asked.command.Name, asked.line()[1])
	})
}
