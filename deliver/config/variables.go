package config

import (
	"slices"
	"strings"
	"time"

	"deliver/inventory"
)

// Variable is one setting: the same name in .deliver/config, in the
// environment (there also with DELIVER_ before it) and, in small letters with
// dashes, as a flag.
type Variable struct {
	Name    string
	Flag    string // without dashes; empty: there is no flag
	Default string
	Help    string
	Group   string
	Kind    Kind
	Choices []string // empty: anything of its kind
	From    string   // the variable that the default is made of
	Secret  bool     // its value is never printed
	Run     bool     // belongs to one run: read from flag and DELIVER_NAME alone

	set       func(*Settings, string) error
	otherwise string // what to do where none of the choices will do
}

// Groups of variables that say what is built, and for whom. What is delivered
// is in the release's record.
const (
	GroupBuild  = "the build"
	GroupOthers = "set by others"
)

// Variables is every setting there is, in the order in which they are shown.
func Variables() []Variable {
	return slices.Concat(
		inGroup("what and where", whatAndWhere()),
		inGroup(GroupBuild, theBuild()),
		inGroup("the rollout", theRollout()),
		inGroup("the service", theService()),
		inGroup("health", health()),
		inGroup("keeping", keeping()),
		inGroup("connections and time", connections()),
		inGroup(GroupOthers, setByOthers()),
	)
}

// Lookup finds a variable by its name.
func Lookup(name string) (Variable, bool) {
	all := Variables()
	if i := slices.IndexFunc(all, func(v Variable) bool { return v.Name == name }); i >= 0 {
		return all[i], true
	}
	return Variable{}, false
}

func inGroup(group string, vs []Variable) []Variable {
	for i := range vs {
		vs[i].Group = group
	}
	return vs
}

func row(name, flag, preset, help string, b binding) Variable {
	return Variable{Name: name, Flag: flag, Default: preset, Help: help, Kind: b.kind, set: b.set}
}

func (v Variable) choices(c ...string) Variable { v.Choices = c; return v }
func (v Variable) orElse(s string) Variable     { v.otherwise = s; return v }
func (v Variable) from(name string) Variable    { v.From = name; return v }
func (v Variable) secret() Variable             { v.Secret = true; return v }
func (v Variable) perRun() Variable             { v.Run = true; return v }

func whatAndWhere() []Variable {
	return []Variable{
		row("APP", "app", "", "the app's name; default: the directory's", text(func(s *Settings) *string { return &s.App })),
		row("APP_USER", "app-user", "", "login on the servers", text(func(s *Settings) *string { return &s.AppUser })).from("APP"),
		row("DELIVER_TO", "deliver-to", "", "where the app lives on a server; default ~APP_USER/app", text(func(s *Settings) *string { return &s.DeliverTo })).from("APP_USER"),
		row("HOSTS", "hosts", "", "servers, as [user@]name[:port], with commas or blanks between; a range is web-[1-8]", hosts()),
		row("ONLY", "only", "", "just these of HOSTS: names, ranges like web-[1-8] or patterns like web-*", selection(func(s *Settings) *[]string { return &s.Only })).perRun(),
		row("EXCEPT", "except", "", "all of HOSTS but these", selection(func(s *Settings) *[]string { return &s.Except })).perRun(),
		row("ENV", "env", "", "environment: with production, PRODUCTION_HOSTS wins over HOSTS", text(func(s *Settings) *string { return &s.Env })).perRun(),
		row("STRATEGY", "strategy", "tarball", "how to deliver; deliver strategies lists them", text(func(s *Settings) *string { return &s.Strategy })),
	}
}

func hosts() binding {
	return binding{List, func(s *Settings, v string) (err error) {
		s.Hosts, err = inventory.ParseHosts(v)
		return err
	}}
}

func theBuild() []Variable {
	return []Variable{
		row("BUILD", "build", "", "deliver this tar, tar.gz or tar.zst; - is stdin; default: git archive", text(func(s *Settings) *string { return &s.Build })),
		row("REFSPEC", "refspec", "master", "what git archive takes, where nothing below says more", text(func(s *Settings) *string { return &s.Refspec })),
		row("BRANCH", "branch", "", "branch to deliver", text(func(s *Settings) *string { return &s.Branch })),
		row("TAG", "tag", "", "tag to deliver", text(func(s *Settings) *string { return &s.Tag })),
		row("REVISION", "revision", "", "commit to deliver", text(func(s *Settings) *string { return &s.Revision })),
		row("COMMIT", "commit", "", "commit that the build was made of, for the record", text(func(s *Settings) *string { return &s.Commit })),
		row("VERSION", "release-version", "", "version, for the record; default: git describe", text(func(s *Settings) *string { return &s.Version })),
		row("RELEASE_ID", "release-id", "", "the release's name on the servers", text(func(s *Settings) *string { return &s.ReleaseID })),
	}
}

func theRollout() []Variable {
	return []Variable{
		row("ORDER", "order", "", "how hosts are switched, rolling where BATCH is set", text(func(s *Settings) *string { return &s.Order })).choices("parallel", "rolling"),
		row("BATCH", "batch", "", "hosts switched at a time: 4, 25% or 1,10%,100%", text(func(s *Settings) *string { return &s.Batch })),
		row("CANARY", "canary", "", "hosts switched and checked before all others", text(func(s *Settings) *string { return &s.Canary })),
		row("PAUSE", "pause", "0s", "rest between two batches", duration(func(s *Settings) *time.Duration { return &s.Pause })),
		row("WAIT", "wait", "0s", "stand in line for so long where another delivery is under way", duration(func(s *Settings) *time.Duration { return &s.Wait })),
		row("LEASE_TTL", "lease-ttl", "30s", "how long a delivery that died still holds its servers", duration(func(s *Settings) *time.Duration { return &s.LeaseTTL })),
		row("ALLOW_OLDER", "allow-older", "no", "deliver also over a newer release", yes(func(s *Settings) *bool { return &s.AllowOlder })).perRun(),
		row("MAX_FAILURES", "max-failures", "0", "hosts that may fail: 2 or 10%", text(func(s *Settings) *string { return &s.MaxFailures })),
		row("MAX_UNREACHABLE", "max-unreachable", "0", "hosts that may be out of reach: 2 or 10%", text(func(s *Settings) *string { return &s.MaxUnreachable })),
		row("ON_FAILURE", "on-failure", "rollback", "what is done over MAX_FAILURES", text(func(s *Settings) *string { return &s.OnFailure })).choices("rollback", "stop", "continue"),
		row("MAX_SHRINK", "max-shrink", "50%", "how much smaller than last time the list of hosts may be", text(func(s *Settings) *string { return &s.MaxShrink })),
	}
}

func theService() []Variable {
	return []Variable{
		row("SUPERVISOR", "supervisor", "", "service manager, found out where empty", text(func(s *Settings) *string { return &s.Supervisor })).
			choices("systemd", "openrc", "upstart", "runit", "supervisor", "none").orElse("RESTART_CMD restarts what is none of these"),
		row("SERVICE", "service", "", "unit, service directory or program", text(func(s *Settings) *string { return &s.Service })).from("APP"),
		row("RESTART_CMD", "restart-cmd", "", "command that restarts the app, run in current", text(func(s *Settings) *string { return &s.RestartCmd })),
		row("PROCFILE", "procfile", "", "path of a Procfile in the release: its processes are exported to SUPERVISOR", text(func(s *Settings) *string { return &s.Procfile })),
		row("FORMATION", "formation", "", "how many of each of its processes: web=2,worker=1; default: one", text(func(s *Settings) *string { return &s.Formation })),
		row("PORT", "port", "", "port of the first of its processes; default: PORT of the release's .env, or 5000", port(func(s *Settings) *int { return &s.Port })),
		row("SHARED_PATHS", "shared-paths", "", "paths that all releases share", list(func(s *Settings) *[]string { return &s.SharedPaths })),
		row("LINK", "link", "auto", "auto: releases share the files that have not changed; now: so, too, but nothing is laid out ahead of the next release; copy: for apps that write into their release", text(func(s *Settings) *string { return &s.Link })).
			choices("auto", "now", "copy"),
		row("SHARE_TREES", "share-trees", "", "directories, as node_modules, that are kept once for all releases that have the same, and linked to", list(func(s *Settings) *[]string { return &s.ShareTrees })),
	}
}

func health() []Variable {
	return []Variable{
		row("HEALTH_URL", "health-url", "", "asked on the server itself; 2xx and 3xx are good", text(func(s *Settings) *string { return &s.HealthURL })),
		row("HEALTH_PORT", "health-port", "", "a TCP connection is good", port(func(s *Settings) *int { return &s.HealthPort })),
		row("HEALTH_CMD", "health-cmd", "", "exit 0 is good; run in current", text(func(s *Settings) *string { return &s.HealthCmd })),
		row("HEALTH_RISE", "health-rise", "3", "good answers in a row", number(1, func(s *Settings) *int { return &s.HealthRise })),
		row("HEALTH_INTERVAL", "health-interval", "250ms", "time between two questions", duration(func(s *Settings) *time.Duration { return &s.HealthInterval })),
		row("HEALTH_TIMEOUT", "health-timeout", "5s", "of one question", duration(func(s *Settings) *time.Duration { return &s.HealthTimeout })),
		row("HEALTH_DEADLINE", "health-deadline", "60s", "of the whole check", duration(func(s *Settings) *time.Duration { return &s.HealthDeadline })),
	}
}

func keeping() []Variable {
	return []Variable{
		row("KEEP_RELEASES", "keep-releases", "5", "good releases kept on a server", number(1, func(s *Settings) *int { return &s.KeepReleases })),
		row("STORE", "store", "", "s3://bucket/prefix for the archives", text(func(s *Settings) *string { return &s.Store })),
		row("STORE_ENDPOINT", "store-endpoint", "", "address of an S3-compatible store that is not AWS", text(func(s *Settings) *string { return &s.StoreEndpoint })),
		row("VIA", "via", "auto", "how servers get a release: ssh; store: each gets it from STORE itself; auto: from STORE where that spares much", text(func(s *Settings) *string { return &s.Via })).
			choices("auto", "ssh", "store"),
		row("STORE_KEEP", "store-keep", "0", "releases kept in the store, besides the newest good one; 0 keeps all", number(0, func(s *Settings) *int { return &s.StoreKeep })),
		row("LOG_FILE", "log-file", "", "append what happens to this file", text(func(s *Settings) *string { return &s.LogFile })),
	}
}

func connections() []Variable {
	return []Variable{
		row("SSH_TIMEOUT", "ssh-timeout", "10s", "of a connection's start", duration(func(s *Settings) *time.Duration { return &s.SSHTimeout })),
		row("SSH_CONFIG", "ssh-config", "", "instead of ~/.ssh/config", text(func(s *Settings) *string { return &s.SSHConfig })),
		row("KNOWN_HOSTS", "known-hosts", "", "instead of what ssh's own config says", text(func(s *Settings) *string { return &s.KnownHosts })),
		row("HOST_KEY", "host-key", "strict", "of a server not yet in known_hosts", text(func(s *Settings) *string { return &s.HostKey })).choices("strict", "accept-new"),
		row("STEP_TIMEOUT", "step-timeout", "10m", "of one step on one host", duration(func(s *Settings) *time.Duration { return &s.StepTimeout })),
		row("HOOK_TIMEOUT", "hook-timeout", "5m", "of one hook", duration(func(s *Settings) *time.Duration { return &s.HookTimeout })),
		row("CONFIG_TIMEOUT", "config-timeout", "60s", "of evaluating .deliver/config", duration(func(s *Settings) *time.Duration { return &s.ConfigTimeout })).perRun(),
	}
}

func setByOthers() []Variable {
	return []Variable{
		row("BUILD_TAG", "", "", "Jenkins: the release's name, unless RELEASE_ID is set", text(func(s *Settings) *string { return &s.BuildTag })),
		row("BUILD_NUMBER", "", "", "Jenkins: the release's place in the order of releases", text(func(s *Settings) *string { return &s.BuildNumber })),
		row("BUILD_URL", "", "", "Jenkins: the build's page", text(func(s *Settings) *string { return &s.BuildURL })),
		row("JOB_NAME", "", "", "Jenkins: the job", text(func(s *Settings) *string { return &s.JobName })),
		row("GIT_COMMIT", "", "", "Jenkins: the commit, unless COMMIT is set", text(func(s *Settings) *string { return &s.GitCommit })),
		row("AUTOBUILDER_URL", "", "", "where autobuilder is told what happens", text(func(s *Settings) *string { return &s.AutobuilderURL })),
		row("AUTOBUILDER_TOKEN", "", "", "what deliver proves itself with there", text(func(s *Settings) *string { return &s.AutobuilderToken })).secret(),
	}
}

// Explained is the help with the choices and the default.
func (v Variable) Explained() string {
	text := v.Help
	if len(v.Choices) > 0 {
		text += ": " + strings.Join(v.Choices, ", ")
	}
	switch {
	case v.Default != "":
		text += "; default " + v.Default
	case v.From != "" && !strings.Contains(text, "default"):
		text += "; default: " + v.From + "'s"
	}
	if v.Run {
		text += " (not in the config; in the environment DELIVER_" + v.Name + ")"
	}
	return text
}
