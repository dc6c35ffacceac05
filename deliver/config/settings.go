package config

import (
	"time"

	"deliver/inventory"
)

// Settings is everything a run can be told. What Order, Batch, Canary,
// MaxFailures, MaxUnreachable, OnFailure and MaxShrink mean is the plan
// package's to say, so they stay as they were written.
type Settings struct {
	App       string
	AppUser   string           // the login on the servers
	DeliverTo string           // a leading ~ or ~user is a home directory on the server
	Env       string           // --env production: PRODUCTION_HOSTS wins over HOSTS
	Hosts     []inventory.Host // those of Fleet that --only and --except leave
	Fleet     []inventory.Host // HOSTS, each once
	Only      []string
	Except    []string
	Strategy  string

	Build     string // a file or "-"; empty: git archive of the ref
	ReleaseID string
	Refspec   string
	Revision  string
	Branch    string
	Tag       string
	Version   string
	Commit    string

	Order          string
	Batch          string
	Canary         string
	Pause          time.Duration
	MaxFailures    string
	MaxUnreachable string
	OnFailure      string
	MaxShrink      string
	Wait           time.Duration // in line, where another delivery is under way
	LeaseTTL       time.Duration // that a delivery which died still holds its servers
	AllowOlder     bool

	Supervisor  string // systemd, openrc, upstart, runit, supervisor, none; empty: find out
	Service     string
	RestartCmd  string
	Procfile    string // path in the release; empty: nothing is exported
	Formation   string
	Port        int
	SharedPaths []string
	ShareTrees  []string
	Link        string // auto, now, copy

	HealthURL      string
	HealthPort     int
	HealthCmd      string
	HealthRise     int
	HealthInterval time.Duration
	HealthTimeout  time.Duration
	HealthDeadline time.Duration

	KeepReleases  int
	Store         string // s3://bucket/prefix
	StoreEndpoint string
	StoreKeep     int    // releases; 0: all
	Via           string // auto, ssh, store

	SSHTimeout time.Duration
	SSHConfig  string
	KnownHosts string
	HostKey    string // strict, accept-new

	StepTimeout   time.Duration
	HookTimeout   time.Duration
	ConfigTimeout time.Duration
	LogFile       string

	BuildTag    string // Jenkins' own, as are the next four
	BuildNumber string
	BuildURL    string
	JobName     string
	GitCommit   string

	AutobuilderURL   string
	AutobuilderToken string
}
