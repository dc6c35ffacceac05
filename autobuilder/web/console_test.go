package web_test

import (
	"net/netip"
	"strings"

	"autobuilder/signin"
)

var loopback = signin.Proxy{Header: "X-Remote-User", From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// console is what a build of the seed writes.
var console = strings.Join([]string{
	"AUTOBUILDER_ID=20261125T115850-dashboard30",
	"===== 11:58:54.012 checkout",
	"e1b24d0 ada: charts keep their zoom when data comes in",
	"===== 11:58:55.408 1 setup",
	"Node 22.14.0 (22.x)",
	"\x1b[2mnpm\x1b[0m \x1b[33mwarn\x1b[0m deprecated rimraf@3.0.2: versions before v4 are no longer supported",
	"",
	"added 212 packages in 9s",
	"\x1b[32m✔\x1b[0m 418 tests passed \x1b[90m(6.2 s)\x1b[0m",
	"===== 11:59:11.250 2 commit-deps",
	"[detached HEAD 3f09aa1] jenkins-dashboard-31-prebuilt",
	"===== 11:59:14.733 3 git archive",
	"-rw-r--r-- 1 ci ci 31M Nov 25 11:59 .build/dashboard.tar",
	"===== 11:59:16.020 4 publish",
	"jenkins-dashboard-31: 31.4 MB, 4,812 files",
	"\x1b[1mdashboard/releases/jenkins-dashboard-31.tar\x1b[0m is in the store",
	"===== 11:59:24.481 5 ci-deploy",
	"DELIVERING DASHBOARD WITH TARBALL STRATEGY",
	"\x1b[36m----->\x1b[0m ship to 3 hosts",
	"       web-1 has it, 1.2 MB sent",
	"       web-3 has it, 1.2 MB sent",
	"       web-2 has it, 1.2 MB sent",
	"\x1b[36m----->\x1b[0m switch 1 of 3: web-1",
	"       web-1 answers from \x1b[1mv1.7.0\x1b[0m, \x1b[32mhealthy\x1b[0m",
	"\x1b[36m----->\x1b[0m switch 2 of 3: web-2",
	"",
}, "\n")
