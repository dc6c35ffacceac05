package remote_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
	"deliver/remote"
)

func TestSplitPaths(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		"":                                    nil,
		"/a":                                  {"/a"},
		"/a /b":                               {"/a", "/b"},
		"/with space/a /b":                    {"/with space/a", "/b"},
		`"/with space/a" ~/b`:                 {"/with space/a", "~/b"},
		`/a   "/b"`:                           {"/a", "/b"},
		"~/.ssh/known_hosts ~/.ssh/known2 ":   {"~/.ssh/known_hosts", "~/.ssh/known2"},
		`%d/known_hosts ${SSH_DIR}/known`:     {"%d/known_hosts", "${SSH_DIR}/known"},
		`"/never closed`:                      {"/never closed"},
		"/home/a b/.ssh/x /home/a b/.ssh/y z": {"/home/a b/.ssh/x", "/home/a b/.ssh/y z"},
	} {
		assert.Equal(t, want, remote.SplitPaths(list), "%q", list)
	}
}

func TestParseJump(t *testing.T) {
	t.Parallel()
	for hop, want := range map[string]inventory.Host{
		"bastion":                      {Name: "bastion"},
		"ops@bastion":                  {Name: "bastion", User: "ops"},
		"ops@bastion:2222":             {Name: "bastion", User: "ops", Port: 2222},
		"ssh://ops@bastion:2222":       {Name: "bastion", User: "ops", Port: 2222},
		"ssh://bastion/":               {Name: "bastion"},
		"[2001:db8::1]:22":             {Name: "2001:db8::1", Port: 22},
		"ops@[2001:db8::1]":            {Name: "2001:db8::1", User: "ops"},
		"ops@10.0.0.1:22":              {Name: "10.0.0.1", User: "ops", Port: 22},
		"bastion.example.test:1":       {Name: "bastion.example.test", Port: 1},
		"deploy@bastion.example.test.": {Name: "bastion.example.test.", User: "deploy"},
	} {
		got, err := remote.ParseJump(hop)
		require.NoError(t, err, hop)
		assert.Equal(t, want, got, hop)
	}
	spaced, err := remote.ParseJump(" bastion ")
	require.NoError(t, err)
	assert.Equal(t, inventory.Host{Name: "bastion"}, spaced)
	for _, hop := range []string{"", "@", "a:0", "a:99999", "a:b", "-oProxyCommand=x", "a b"} {
		_, err := remote.ParseJump(hop)
		require.ErrorContains(t, err, "jump host", "%q", hop)
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": 0, "none": 0, "5": 5 * time.Second, "1m30s": 90 * time.Second, "2M": 2 * time.Minute} {
		assert.Equal(t, want, remote.Seconds(text), text)
	}
}

func TestSystem(t *testing.T) {
	t.Parallel()
	for uname, want := range map[string]string{
		"Linux x86_64": "linux/amd64", "Linux aarch64": "linux/arm64", "Darwin arm64": "darwin/arm64", "FreeBSD amd64": "freebsd/amd64",
		"Linux i686": "linux/386", "Linux armv7l": "linux/arm", "Linux riscv64": "linux/riscv64", "Linux s390x": "linux/s390x",
	} {
		sysname, machine, _ := strings.Cut(uname, " ")
		goos, goarch := remote.System(sysname, machine)
		assert.Equal(t, want, goos+"/"+goarch)
	}
}

func TestExpand(t *testing.T) {
	t.Setenv("DELIVER_TEST_DIR", "/keys")
	u, err := user.Current()
	require.NoError(t, err)
	for path, want := range map[string]string{
		"/a":                        "/a",
		"~/.ssh/id":                 u.HomeDir + "/.ssh/id",
		"~":                         u.HomeDir,
		"%d/.ssh/%n-%h-%r-%p":       u.HomeDir + "/.ssh/web-10.0.0.1-ops-2222",
		"${DELIVER_TEST_DIR}/%u":    "/keys/" + u.Username,
		"/100%%/${DELIVER_TEST_DIR": "/100%/${DELIVER_TEST_DIR",
		`"/quoted"`:                 "/quoted",
		"/%i/%k":                    "/" + u.Uid + "/web",
	} {
		got, err := remote.Expand(path, "web", "10.0.0.1", "ops", 2222)
		require.NoError(t, err, path)
		assert.Equal(t, want, got, path)
	}
	for path, says := range map[string]string{
		"/a/%": "lone %", "/a/%z": "%z is not known", "${DELIVER_TEST_NOT_SET}/id": "DELIVER_TEST_NOT_SET is used and not set",
	} {
		_, err := remote.Expand(path, "web", "10.0.0.1", "ops", 2222)
		require.ErrorContains(t, err, says, path)
	}
}

func TestReadSettings(t *testing.T) {
	t.Parallel()
	got, err := remote.ReadSettings("user ops\nhostname 10.0.0.1\nport 2222\nproxyjump a,b:22\nidentityfile /k/%r\nidentityfile none\n" +
		"identityfile /k/two\nproxycommand none\nuserknownhostsfile /a b/known /c\nunknown thing\n")
	require.NoError(t, err)
	assert.Equal(t, remote.Settings{
		Host: "10.0.0.1", User: "ops", Port: 2222, Jumps: []string{"a", "b:22"},
		Identities: []string{"/k/ops", "/k/two"}, KnownBy: []string{"/a b/known", "/c"},
	}, got)
	for out, says := range map[string]string{
		"": "port", "port 0\n": "port", "port 70000\n": "port", "port x\n": "port", "port 22\nproxycommand nc %q\n": "%q is not known",
	} {
		_, err := remote.ReadSettings(out)
		require.ErrorContains(t, err, says, "%q", out)
	}
}

// Both ways of reading ssh_config say the same of what both know.
func TestWithoutSSHTheSameIsReadAsWithIt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh"); err != nil {
		lacking(t, "ssh (package openssh-client)")
	}
	for name, config := range map[string]string{
		"nothing":          "",
		"a block":          "Host h1\n  HostName 10.0.0.1\n  User ops\n  Port 2222\n  IdentityFile ~/.ssh/deploy\n  UserKnownHostsFile /a /b\n",
		"first one wins":   "Host h1\n  User one\nHost h*\n  User two\n  Port 23\nHost *\n  Port 24\n  IdentityFile /k\n",
		"all identities":   "Host h1\n  IdentityFile /a\nHost *\n  IdentityFile /b\n",
		"negated":          "Host * !h1\n  User no\nHost *\n  User yes\n  IdentityFile /k\n",
		"equal signs":      "Host=h1\n  User = ops\n  Port=2222\n  IdentityFile=/k\n",
		"case":             "HOST h1\n  HOSTNAME 10.0.0.1\n  uSeR ops\n  IdentityFile /k\n",
		"a jump":           "Host h1\n  ProxyJump a,b\n  IdentityFile /k\n",
		"a jump taken off": "Host h1\n  ProxyJump none\n  IdentityFile /k\nHost *\n  ProxyJump bastion\n",
		"a command":        "Host h1\n  ProxyCommand nc -x proxy %h %p\n  IdentityFile /k\n",
		"a name in a name": "Host h1\n  HostName %h.example.test\n  IdentityFile /k\n",
		"match host":       "Match host h1\n  User ops\n  IdentityFile /k\n",
		"match all":        "Match all\n  User ops\n  IdentityFile /k\n",
		"comments":         "# one\nHost h1 # two\n  User ops # three\n  IdentityFile /k\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "ssh_config")
			write(t, file, config)
			out, err := exec.Command("ssh", "-T", "-G", "-F", file, "--", "h1").Output()
			require.NoError(t, err)
			want, err := remote.ReadSettings(string(out))
			require.NoError(t, err)
			got, err := remote.ReadConfigFile(file, "h1")
			require.NoError(t, err)
			if !strings.Contains(config, "IdentityFile") {
				want.Identities, got.Identities = nil, nil // ssh also tries types that are gone or need hardware
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestGreeted(t *testing.T) {
	t.Parallel()
	for printed, want := range map[string][]string{
		"deliver-far-side: ready\n":                                  {"ready"},
		"Welcome\r\n\r\ndeliver-far-side: missing Linux x86_64 gzip": {"missing", "Linux", "x86_64", "gzip"},
		"deliver-far-side: not-executable /srv/a b\r\n":              {"not-executable", "/srv/a", "b"},
	} {
		state, words, err := remote.Greeted(printed)
		require.NoError(t, err)
		assert.Equal(t, want, append([]string{state}, words...))
	}
	for _, printed := range []string{"", "Welcome\n", "deliver-far-side:\n", "deliver-far-side: \n", strings.Repeat("y\n", 1<<17)} {
		_, _, err := remote.Greeted(printed)
		require.Error(t, err)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	assert.Empty(t, remote.Tail())
	assert.Equal(t, "a; b", remote.Tail("a\n", "\nb\n"))
	long := remote.Tail(strings.Repeat("x", 5000), "the end")
	assert.Len(t, long, 2048)
	assert.True(t, strings.HasSuffix(long, "the end"))
}

func FuzzReadSettings(f *testing.F) {
	f.Add("user ops\nhostname h\nport 22\nidentityfile ~/.ssh/id\nuserknownhostsfile /a \"/b c\"\n")
	f.Add("port 22\nproxyjump a,b\nproxycommand nc %h %p\nconnecttimeout 1m\n")
	f.Add("port 22\nidentityfile %\nidentityfile ${\n")
	f.Fuzz(func(t *testing.T, out string) {
		s, err := remote.ReadSettings(out)
		if err == nil && (s.Port < 1 || s.Port > 65535) {
			t.Fatalf("port %d", s.Port)
		}
	})
}

func FuzzSplitPaths(f *testing.F) {
	f.Add(`/a "/b c" ~/d`)
	f.Add(`"`)
	f.Fuzz(func(t *testing.T, list string) {
		joined := strings.Join(remote.SplitPaths(list), "")
		if strings.ContainsAny(list, `" `+"\t\n\v\f\r\u0085\u00a0") || !utf8.ValidString(list) {
			return
		}
		for _, r := range list {
			if strings.TrimSpace(string(r)) == "" {
				return
			}
		}
		if joined != list {
			t.Fatalf("%q became %q", list, joined)
		}
	})
}

func FuzzParseJump(f *testing.F) {
	f.Add("ops@bastion:2222")
	f.Add("ssh://[::1]:22/")
	f.Fuzz(func(t *testing.T, hop string) {
		h, err := remote.ParseJump(hop)
		if err != nil {
			return
		}
		if h.Name == "" || strings.HasPrefix(h.Name, "-") || strings.ContainsAny(h.Name, " \n") {
			t.Fatalf("%q: %+v", hop, h)
		}
	})
}

func FuzzReadConfigFile(f *testing.F) {
	f.Add("Host h1\n  User ops\n  Port 22\n")
	f.Add("Match all\n  ProxyJump \"a\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, config string) {
		if strings.Contains(strings.ToLower(config), "include") {
			return // files of this machine are not of this test
		}
		file := filepath.Join(dir, "ssh_config")
		require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
		_, _ = remote.ReadConfigFile(file, "h1")
	})
}

func FuzzGreeted(f *testing.F) {
	f.Add("Welcome\ndeliver-far-side: missing Linux x86_64 gzip\n")
	f.Add("deliver-far-side: \n")
	f.Fuzz(func(t *testing.T, printed string) {
		state, _, err := remote.Greeted(printed)
		if err == nil && state == "" {
			t.Fatal("a greeting of nothing")
		}
	})
}

// Whatever DELIVER_TO says, a shell takes it as one word: the script says that
// nothing is there, and runs nothing else.
func FuzzScriptPassesAnyRootThroughAShell(f *testing.F) {
	for _, root := range []string{"/srv/shop", "~/shop", "/it's", "/$(touch pwned)", "/`touch pwned`", "/a;touch pwned", `/"\'`, "relative", "/*", "~root/x", "/\xff"} {
		f.Add(root)
	}
	dir := f.TempDir()
	b := binary([]byte("x"))
	f.Fuzz(func(t *testing.T, root string) {
		commands, err := remote.Scripts(root, b)
		if err != nil || len(root) > 4096 {
			return
		}
		for _, command := range commands {
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			state, _, err := remote.Greeted(string(out))
			require.NoError(t, err, string(out))
			require.Contains(t, []string{"unsure", "missing", "no-home"}, state)
		}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	})
}

func FuzzQuote(f *testing.F) {
	f.Add(`a'b"c$d\e`)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) || len(s) > 4096 {
			return
		}
		out, err := exec.Command("sh", "-c", "printf %s "+remote.Quote(s)).Output()
		require.NoError(t, err)
		require.Equal(t, s, string(out))
	})
}
