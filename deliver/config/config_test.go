package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
	"deliver/inventory"
)

func TestStrength(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config       string
		env          []string
		flags        map[string]string
		text, origin string
	}{
		"nothing":                   {"", nil, nil, "5", "default"},
		"config":                    {"X=1\nKEEP_RELEASES=2\n", nil, nil, "2", ".deliver/config:2"},
		"config, in a function":     {"f() {\n  KEEP_RELEASES=2\n}\nf\n", nil, nil, "2", ".deliver/config:2"},
		"config, over many lines":   {"A=1\nKEEP_RELEASES=\"$(echo \\\n2\n)\"\n", nil, nil, "2", ".deliver/config:2"},
		"config, read":              {"read -r KEEP_RELEASES <<<2\n", nil, nil, "2", ".deliver/config"},
		"config, exported":          {"export KEEP_RELEASES=2", nil, nil, "2", ".deliver/config:1"},
		"the last one counts":       {"KEEP_RELEASES=1\nKEEP_RELEASES=2\n", nil, nil, "2", ".deliver/config:2"},
		"empty is not set":          {"KEEP_RELEASES=", nil, nil, "5", "default"},
		"environment":               {"KEEP_RELEASES=2", []string{"KEEP_RELEASES=3"}, nil, "3", "environment KEEP_RELEASES"},
		"environment, long":         {"KEEP_RELEASES=2", []string{"DELIVER_KEEP_RELEASES=3"}, nil, "3", "environment DELIVER_KEEP_RELEASES"},
		"long wins over plain":      {"", []string{"KEEP_RELEASES=2", "DELIVER_KEEP_RELEASES=3"}, nil, "3", "environment DELIVER_KEEP_RELEASES"},
		"empty environment":         {"KEEP_RELEASES=2", []string{"KEEP_RELEASES="}, nil, "2", ".deliver/config:1"},
		"flag":                      {"KEEP_RELEASES=2", []string{"KEEP_RELEASES=3"}, map[string]string{"KEEP_RELEASES": "4"}, "4", "flag --keep-releases"},
		"the config sees the flag":  {"KEEP_RELEASES=$((KEEP_RELEASES + 1)); unset -v KEEP_RELEASES", nil, map[string]string{"KEEP_RELEASES": "4"}, "4", "flag --keep-releases"},
		"unset by the config":       {"KEEP_RELEASES=2\nunset KEEP_RELEASES\n", nil, nil, "5", "default"},
		"set in a subshell is not":  {"(KEEP_RELEASES=2)\n", nil, nil, "5", "default"},
		"environment of a command":  {"KEEP_RELEASES=2 true\n", nil, nil, "5", "default"},
		"set by what it sources":    {"source .deliver/more\n", nil, nil, "7", ".deliver/more:2"},
		"found by asking a command": {"KEEP_RELEASES=\"$(cat .deliver/more | wc -l)\"", nil, nil, "2", ".deliver/config:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, map[string]string{".deliver/config": c.config, ".deliver/more": "X=\nKEEP_RELEASES=7\n"})
			got := loadWith(t, dir, c.flags, c.env...)
			assert.Equal(t, c.text, got.Value("KEEP_RELEASES").Text)
			assert.Equal(t, c.origin, got.Value("KEEP_RELEASES").Origin)
		})
	}
}

func TestDefaultsAreMadeAfterOverriding(t *testing.T) {
	t.Parallel()
	dir := configured(t, "APP=shop\n")
	c := load(t, dir, "APP=other")
	assert.Equal(t, []string{"other", "other", "~other/app", "other"}, []string{c.App, c.AppUser, c.DeliverTo, c.Service})
	assert.Equal(t, "from APP", c.Value("APP_USER").Origin)
	assert.Equal(t, "from APP_USER", c.Value("DELIVER_TO").Origin)

	c = loadWith(t, dir, map[string]string{"APP_USER": "deploy"})
	assert.Equal(t, []string{"shop", "deploy", "~deploy/app", "shop"}, []string{c.App, c.AppUser, c.DeliverTo, c.Service})
}

func TestAProjectWithoutAConfig(t *testing.T) {
	t.Parallel()
	dir := project(t, nil)
	c := load(t, dir, "HOSTS=a,b")
	assert.Equal(t, "shop", c.App)
	assert.Equal(t, "name of the directory", c.Value("APP").Origin)
	assert.Equal(t, []inventory.Host{{Name: "a"}, {Name: "b"}}, c.Hosts)
	assert.Empty(t, c.Script.Functions())
	assert.Empty(t, c.Notes())
}

func TestEverySettingReachesItsField(t *testing.T) {
	t.Parallel()
	c := load(t, configured(t, `
APP=shop APP_USER=web DELIVER_TO=/srv/shop HOSTS="a me@b:22" STRATEGY=tarball
BUILD=- RELEASE_ID=r1 REFSPEC=main REVISION=abc BRANCH=topic TAG=v1 VERSION=1.0 COMMIT=def
ORDER=rolling BATCH=1,50% CANARY=1 PAUSE=5 MAX_FAILURES=1 MAX_UNREACHABLE=10% ON_FAILURE=stop MAX_SHRINK=20% WAIT=1m LEASE_TTL=9s
SUPERVISOR=runit SERVICE=web RESTART_CMD="./restart now" PORT=5000 SHARED_PATHS=(log tmp) SHARE_TREES=node_modules LINK=copy VIA=ssh
HEALTH_URL=http://localhost/ HEALTH_PORT=80 HEALTH_CMD=true HEALTH_RISE=1 HEALTH_INTERVAL=1s HEALTH_TIMEOUT=2s HEALTH_DEADLINE=3s
KEEP_RELEASES=9 STORE=s3://b/p STORE_ENDPOINT=http://localhost:1 STORE_KEEP=8 LOG_FILE=/var/log/d
SSH_TIMEOUT=3 SSH_CONFIG=ssh KNOWN_HOSTS=known HOST_KEY=accept-new STEP_TIMEOUT=1m HOOK_TIMEOUT=2m
BUILD_TAG=bt BUILD_NUMBER=7 BUILD_URL=http://j/7 JOB_NAME=job GIT_COMMIT=123 AUTOBUILDER_URL=http://a AUTOBUILDER_TOKEN=secret
`), "DELIVER_CONFIG_TIMEOUT=90s", "DELIVER_EXCEPT=b", "DELIVER_ALLOW_OLDER=yes")
	hosts := []inventory.Host{{Name: "a"}, {Name: "b", User: "me", Port: 22}}
	assert.Equal(t, config.Settings{
		App: "shop", AppUser: "web", DeliverTo: "/srv/shop", Hosts: hosts[:1], Fleet: hosts, Except: []string{"b"}, Strategy: "tarball",
		Build: "-", ReleaseID: "r1", Refspec: "main", Revision: "abc", Branch: "topic", Tag: "v1", Version: "1.0", Commit: "def",
		Order: "rolling", Batch: "1,50%", Canary: "1", Pause: 5 * time.Second, MaxFailures: "1", MaxUnreachable: "10%", OnFailure: "stop", MaxShrink: "20%",
		Wait: time.Minute, LeaseTTL: 9 * time.Second, AllowOlder: true,
		Supervisor: "runit", Service: "web", RestartCmd: "./restart now", Port: 5000, SharedPaths: []string{"log", "tmp"}, ShareTrees: []string{"node_modules"}, Link: "copy",
		HealthURL: "http://localhost/", HealthPort: 80, HealthCmd: "true", HealthRise: 1,
		HealthInterval: time.Second, HealthTimeout: 2 * time.Second, HealthDeadline: 3 * time.Second,
		KeepReleases: 9, Store: "s3://b/p", StoreEndpoint: "http://localhost:1", StoreKeep: 8, Via: "ssh", LogFile: "/var/log/d",
		SSHTimeout: 3 * time.Second, SSHConfig: "ssh", KnownHosts: "known", HostKey: "accept-new",
		StepTimeout: time.Minute, HookTimeout: 2 * time.Minute, ConfigTimeout: 90 * time.Second,
		BuildTag: "bt", BuildNumber: "7", BuildURL: "http://j/7", JobName: "job", GitCommit: "123",
		AutobuilderURL: "http://a", AutobuilderToken: "secret",
	}, c.Settings)
}

// The table is the single source, so it has to hold together.
func TestTheTableOfVariables(t *testing.T) {
	t.Parallel()
	names, flags := map[string]bool{}, map[string]bool{}
	for _, v := range config.Variables() {
		assert.False(t, names[v.Name], "%s stands twice", v.Name)
		assert.False(t, v.Flag != "" && flags[v.Flag], "--%s stands twice", v.Flag)
		names[v.Name], flags[v.Flag] = true, true
		assert.NotEmpty(t, v.Help, v.Name)
		assert.NotEmpty(t, v.Group, v.Name)
		assert.NotEmpty(t, v.Kind, v.Name)
		if v.From != "" {
			_, ok := config.Lookup(v.From)
			assert.True(t, ok, "%s is made of %s", v.Name, v.From)
		}
	}
	assert.NotEmpty(t, load(t, project(t, nil)).App, "all defaults are valid")
}

func TestWhatOthersSetIsPickedUp(t *testing.T) {
	t.Parallel()
	c := load(t, project(t, nil), "BUILD_TAG=jenkins-shop-7", "BUILD_NUMBER=7", "JOB_NAME=shop", "COMMIT=abc", "BRANCH=master", "TAG=", "VERSION=v1.2.0")
	assert.Equal(t, []string{"jenkins-shop-7", "7", "shop", "abc", "master", "", "v1.2.0"},
		[]string{c.BuildTag, c.BuildNumber, c.JobName, c.Commit, c.Branch, c.Tag, c.Version})
}

func TestHostsAreLeftOnceAndChosen(t *testing.T) {
	t.Parallel()
	dir := configured(t, "HOSTS=(web-1 web-2 'web-1,db')\n")
	c := load(t, dir)
	assert.Equal(t, "web-1 web-2 db", inventory.Join(c.Hosts))
	assert.Equal(t, []string{"HOSTS names web-1 more than once (.deliver/config:1)"}, c.Notes())

	c = loadWith(t, dir, map[string]string{"ONLY": "web-*,db", "EXCEPT": "web-2"})
	assert.Equal(t, "web-1 db", inventory.Join(c.Hosts))
	assert.Equal(t, "web-1 web-2 db", inventory.Join(c.Fleet))

	c = loadWith(t, configured(t, "HOSTS='web-[01-12] db'\n"), map[string]string{"ONLY": "web-[01-03,7-12],db", "EXCEPT": "web-{08..11}"})
	assert.Equal(t, "web-01 web-02 web-03 web-12 db", inventory.Join(c.Hosts))

	c = loadWith(t, dir, map[string]string{"ONLY": "db", "EXCEPT": "db"})
	assert.EqualError(t, c.Need("HOSTS"), "HOSTS: --only and --except leave no host")
}

func TestOnlyAndExceptAreNeverTakenFromTheConfigOrByAccident(t *testing.T) {
	t.Parallel()
	c := load(t, configured(t, "HOSTS='a b'\nONLY=a\nENV=production\n"), "EXCEPT=b", "ENV=/root/.shinit")
	assert.Equal(t, "a b", inventory.Join(c.Hosts))
	assert.Empty(t, c.Env)
}

func TestNeedSaysHowToSetWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := load(t, configured(t, "HOSTS=\"$(true)\"\n"))
	assert.EqualError(t, c.Need("HOSTS", "APP", "STORE", "AUTOBUILDER_URL"),
		"HOSTS is empty: it was set so by .deliver/config:1\n"+
			"STORE is not set: set it in .deliver/config, in the environment, or with --store\n"+
			"AUTOBUILDER_URL is not set: set it in .deliver/config or in the environment")
	assert.NoError(t, c.Need("APP"))
}

func TestBadValuesAreAllToldAtOnceWithTheirOrigin(t *testing.T) {
	t.Parallel()
	dir := configured(t, "HOSTS='web-1 http://web-2'\nHEALTH_RISE=zero\nHOST_KEY=no\nPORT=70000\nSUPERVISOR=sytemd\n")
	_, err := config.Load(t.Context(), config.Source{
		Dir: dir, Environ: environ("PAUSE=soon", "KEEP_RELEASES=0"), Flags: map[string]string{"STEP_TIMEOUT": "", "HOOK_TIMEOUT": "-1s"},
	})
	for _, part := range []string{
		`.deliver/config:1: HOSTS: host "http://web-2": a host is written [user@]name[:port], not as a URL`,
		`.deliver/config:2: HEALTH_RISE: "zero" is not a whole number`,
		`.deliver/config:3: HOST_KEY: "no" is unknown: it is strict or accept-new`,
		`.deliver/config:4: PORT: "70000" is no port`,
		`.deliver/config:5: SUPERVISOR: "sytemd" is unknown: it is systemd, openrc, upstart, runit, supervisor or none (did you mean systemd?)`,
		`environment PAUSE: PAUSE: "soon" is no duration: write it like 250ms, 10s or 5m`,
		`environment KEEP_RELEASES: KEEP_RELEASES: 0 is too small: it is 1 or more`,
		`flag --step-timeout: STEP_TIMEOUT: "" is no duration`,
		`flag --hook-timeout: HOOK_TIMEOUT: a duration cannot be negative`,
	} {
		assert.ErrorContains(t, err, part)
	}
}

func TestNamesThatCannotBeUsedAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ set, why string }{
		{"APP=../etc", "no name for an app"},
		{"APP=-rf", "no name for an app"},
		{"APP='a b'", "no name for an app"},
		{"APP_USER='-oProxyCommand=x'", "no login name"},
		{"DELIVER_TO=srv/app", "no place for an app"},
		{"DELIVER_TO=/", "no place for an app"},
		{"DELIVER_TO=//../", "no place for an app"},
		{"DELIVER_TO=$'/srv\\n/app'", "no place for an app"},
		{"SUPERVISOR=bluepill", "RESTART_CMD restarts what is none of these"},
		{"HOSTS='me@a you@a'", "are the same server"},
	} {
		message, _ := refuse(t, configured(t, "X=1\n"+c.set+"\n"))
		assert.Contains(t, message, ".deliver/config:2: ", c.set)
		assert.Contains(t, message, c.why, c.set)
	}
	message, _ := refuse(t, project(t, nil), "DELIVER_ONLY=web-9", "HOSTS=web-1")
	assert.Equal(t, `environment DELIVER_ONLY: ONLY: "web-9" is none of the hosts: web-1`, message)
	message, _ = refuse(t, project(t, nil), "DELIVER_EXCEPT=web-9", "HOSTS=web-1")
	assert.Contains(t, message, "environment DELIVER_EXCEPT")
}

func TestADirectoryWhoseNameIsNoAppNeedsAPP(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "my shop")
	require.NoError(t, os.Mkdir(dir, 0o755))
	message, _ := refuse(t, dir)
	assert.Contains(t, message, `name of the directory: APP: "my shop" is no name for an app`)
	assert.Equal(t, "shop", load(t, dir, "APP=shop").App)
}
