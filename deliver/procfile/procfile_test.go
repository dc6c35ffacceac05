package procfile_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/procfile"
)

func TestParse(t *testing.T) {
	t.Parallel()
	types, err := procfile.Parse("# ours\nweb: bundle exec thin start -p $PORT\r\n\nbg-work_2:   ./work; true\n")
	require.NoError(t, err)
	assert.Equal(t, []procfile.Type{{"web", "bundle exec thin start -p $PORT"}, {"bg-work_2", "./work; true"}}, types)
	for text, want := range map[string]string{
		"":                    "no process",
		"web ./run":           `line 1: "web ./run" is no process`,
		"web: a\nweb: b":      "line 2: there is a process web already",
		"web:":                "is no process",
		"web.1: a":            "is no process",
		"web: a\x00b":         "is no process",
		"web: a\n ../x: y\n#": "line 2",
	} {
		_, err := procfile.Parse(text)
		assert.ErrorContains(t, err, want, text)
	}
}

// The ports are those that foreman gives: 100 for each type, whether or not
// there is a process of it, and 1 for each process.
func TestProcesses(t *testing.T) {
	t.Parallel()
	types := []procfile.Type{{"web", "a"}, {"worker", "b"}, {"clock", "c"}}
	for formation, want := range map[string]string{
		"":                        "web.1:5000 worker.1:5100 clock.1:5200",
		"all=1":                   "web.1:5000 worker.1:5100 clock.1:5200",
		"web=2, clock=1":          "web.1:5000 web.2:5001 clock.1:5200",
		"all=2,web=1,worker=0":    "web.1:5000 clock.1:5200 clock.2:5201",
		"other=1":                 "the formation names other, which the Procfile does not have",
		"all=0":                   "the formation leaves no process",
		"web":                     `"web" is no formation`,
		"web=-1":                  `"web=-1" is no formation`,
		"web=101":                 `"web=101" is no formation`,
		"=1":                      `"=1" is no formation`,
		"web=1,worker=1 clock=10": "web.1:5000 worker.1:5100 clock.1:5200 clock.2:5201 clock.3:5202 clock.4:5203 clock.5:5204 clock.6:5205 clock.7:5206 clock.8:5207 clock.9:5208 clock.10:5209",
	} {
		f, err := procfile.ParseFormation(formation)
		var processes []procfile.Process
		if err == nil {
			processes, err = procfile.Processes(types, f, procfile.DefaultPort)
		}
		if err != nil {
			assert.ErrorContains(t, err, want, formation)
			continue
		}
		var got []string
		for _, p := range processes {
			got = append(got, p.Name()+":"+strconv.Itoa(p.Port))
		}
		assert.Equal(t, want, strings.Join(got, " "), formation)
	}
}

func TestParseEnv(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []procfile.Variable{
		{"A", "2"}, {"B", "one $x `two` #three"}, {"C", `a\nb`}, {"D", "a\nb\"c\\"}, {"E", ""}, {"F", "'"}, {"G", "=x="},
	}, procfile.ParseEnv("A=1\n# no\nB=one $x `two` #three\r\nC='a\\nb'\nD=\"a\\nb\\\"c\\\\\"\nE=\nF='\nA=2\nexport G==x=\n2x=3\nX-Y=1\nnothing\n"))
}

// What a script hands to a process is asked of the real sh.
func TestScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := procfile.ParseEnv("HARD='it''s; $(x) `y` \\ \"z\" %% ; # end'\nPORT=1\nNL=\"a\\nb\"\n")
	for command, want := range map[string]string{
		`printf '%s|' "$HARD" "$PORT" "$PS" "$NL"; pwd`:   `it''s; $(x) ` + "`y`" + ` \ "z" %% ; # end|5100|work.2|a` + "\nb|" + dir + "\n",
		"sh -c 'echo $PPID $$' | read a b; echo compound": "compound\n",
		"sh -c 'ps -o args= -p $PPID | grep -c [s]cript'": "0\n",
		"X=1 sh -c 'echo $X'":                             "1\n",
		"cd / && pwd":                                     "/\n",
	} {
		script := procfile.Script("mark", dir, env, procfile.Process{Type: "work", Command: command, Number: 2, Port: 5100})
		cmd := exec.Command("sh", "-c", script)
		out, _ := cmd.Output()
		assert.Equal(t, want, string(out), script)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("web: run $PORT\n# x\nwork: a; b", "A=1\nB='x'\nC=\"\\n\"", "web=1,all=2")
	f.Fuzz(func(t *testing.T, text, env, formation string) {
		types, err := procfile.Parse(text)
		for _, typ := range types {
			if err == nil && (typ.Name == "" || strings.ContainsAny(typ.Name, "./\n ") || strings.ContainsAny(typ.Command, "\n\x00")) {
				t.Fatalf("%q", typ)
			}
		}
		for _, v := range procfile.ParseEnv(env) {
			if strings.ContainsAny(v.Name, "=\n ") || v.Name == "" || strings.Contains(v.Value, "\x00") {
				t.Fatalf("%q", v)
			}
		}
		if form, err := procfile.ParseFormation(formation); err == nil {
			_, _ = procfile.Processes(types, form, procfile.DefaultPort)
		}
	})
}
