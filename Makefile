# The README's two commands are `make demo` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOLS   := $(CURDIR)/.cache/bin
MODULES := deliver autobuilder
SCRIPTS := $(shell git ls-files ':!*/testdata/*' 2>/dev/null | xargs -r awk 'FNR == 1 && /^\#!.*sh$$/ { print FILENAME } { nextfile }')
TESTENV := PATH="$(TOOLS):$(PATH)"

export CGO_ENABLED ?= 0
LDFLAGS := -s -w -X main.stamped=$(VERSION)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: build
build: ## static binaries of deliver (with what it puts on servers inside) and autobuilder into bin/
	deliver/build bin/deliver '$(VERSION)'
	cd autobuilder && go build -trimpath -ldflags '$(LDFLAGS)' -o ../bin/autobuilder ./cmd/autobuilder

.PHONY: man
man: build ## the pages of the manual, made of the command line's own definition, into bin/man/
	@mkdir -p bin/man
	for page in deliver.1 deliver-config.5; do bin/deliver manual --date '$(shell git log -1 --format=%cs 2>/dev/null)' $$page >bin/man/$$page || exit 1; done
	bin/autobuilder manual --date '$(shell git log -1 --format=%cs 2>/dev/null)' >bin/man/autobuilder.1

.PHONY: demo
demo: build ## one push to three servers, shown for real; ends in a table
	lab/requirements --install demo
	lab/demo

.PHONY: demo-down
demo-down: ## end what the demo left running; nothing of it stays
	lab/demo down

.PHONY: test
test: ## everything: lint, unit, contract and end-to-end tests with the real parts
	lab/requirements --install test
	$(MAKE) --no-print-directory lint build unit e2e

.PHONY: unit
unit: ## unit and contract tests of both modules, with the race detector
	lab/test unit

.PHONY: e2e
e2e: ## the main job, from the push to the servers, with the embedded Jenkins and a real Hudson
	lab/test e2e

RUNS ?= 300
.PHONY: zoo
zoo: ## RUNS (300) good and bad releases under systemd, runit and supervisor; prints what deliver called each
	lab/requirements --install test
	cd deliver && ZOO_RUNS=$(RUNS) ZOO_POLLS=10 go test -count=1 -timeout 3h -v ./zoo

DEPLOYS ?= 20
REQUESTS ?= 100000
.PHONY: soak
soak: ## DEPLOYS (20) deliveries to 8 servers behind HAProxy, under at least REQUESTS (100000) requests each
	lab/requirements --install demo
	cd deliver && SOAK_SERVERS=8 SOAK_DEPLOYS=$(DEPLOYS) SOAK_REQUESTS=$(REQUESTS) go test -count=1 -timeout 3h -v ./soak

.PHONY: faults
faults: ## the table of docs/reliability.md, with deliver killed at every event and not at a sample
	lab/requirements --install test
	cd deliver && FAULTS=all $(TESTENV) go test -count=1 -timeout 30m -run TestFaults ./faults

.PHONY: screenshots
screenshots: ## pictures of each page of autobuilder, at the width of a desk and of a phone, light and dark, into docs/screenshots/
	lab/requirements --install test
	cd autobuilder && SCREENSHOTS=$(CURDIR)/docs/screenshots go test -count=1 -run '^TestPagesInABrowser$$' ./web

BUILDS ?= 50
.PHONY: trees
trees: ## BUILDS (50) of an app whose dependencies are updated step by step: bytes and disk beside rsync and git push
	lab/requirements --install test
	lab/dependency-trees .cache/dependency-trees $(BUILDS)
	cd deliver && DEPENDENCY_TREES=$(CURDIR)/.cache/dependency-trees go test -count=1 -timeout 3h -v -run '^TestSuccessiveBuilds$$' ./host

.PHONY: large
large: ## two deliveries of a build of 100,000 files and one of 4 GiB, most of it a hole
	cd deliver && LARGE=1 go test -count=1 -timeout 1h -v -run '^TestABuildOfManyFilesAndAHollowOne$$' ./delivery

.PHONY: lint
lint: ## golangci-lint (with the rules of the import graph) and shellcheck
	lab/requirements --install lint
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(TESTENV) golangci-lint run ./...) || exit 1; done
	@for m in $(MODULES); do (cd $$m && $(TESTENV) gofumpt -l .) | sed "s|^|$$m/|"; done | if grep .; then echo 'not formatted: run gofumpt -w on these' >&2; exit 1; fi
	shellcheck -x $(SCRIPTS)

STORM_PUSHES ?= 10000
.PHONY: storm
storm: ## STORM_PUSHES (10000) pushes over 20 repositories while autobuilder and Jenkins are killed; prints the counts
	cd autobuilder && $(TESTENV) STORM_PUSHES=$(STORM_PUSHES) STORM_REPOS=20 go test -count=1 -v -timeout 4h -run 'TestStorm/beside' ./cmd/autobuilder
	cd autobuilder && $(TESTENV) STORM_PUSHES=$(STORM_PUSHES) STORM_REPOS=20 go test -count=1 -v -timeout 4h -run 'TestStorm/embedded' ./cmd/autobuilder
	cd autobuilder && $(TESTENV) STORM_HUDSON_PUSHES=300 go test -count=1 -v -timeout 4h -run TestStormOverHudson ./cmd/autobuilder

.PHONY: bench
bench: bench-fleet bench-go ## both kinds of benchmarks

SERVERS    ?= 1 8 32
PEERS      ?= all
BENCH_RUNS ?= 3
.PHONY: bench-fleet
bench-fleet: ## first and second deliveries to SERVERS (1 8 32) by deliver and PEERS (all), BENCH_RUNS (3) times; FAR="200mbit 20"
	lab/requirements --install bench
	cd deliver && $(TESTENV) PEERS="$(PEERS)" PEERS_SERVERS="$(SERVERS)" PEERS_RUNS=$(BENCH_RUNS) PEERS_FAR="$(FAR)" PEERS_BUILDS=real \
	  go test -count=1 -timeout 12h -v -run TestPeers ./peers | grep -v '^=== '

.PHONY: bench-go
bench-go: ## Go benchmarks; each prints a ratio against a peer in the same run
	@for m in $(MODULES); do (cd $$m && $(TESTENV) go test -run '^$$' -bench . -benchmem ./...) || exit 1; done

SCHEDULES ?= 1000
.PHONY: interleavings
interleavings: ## SCHEDULES (1000) of deliveries that meet, some of them killed, stopped or cut off
	cd deliver && CGO_ENABLED=1 SCHEDULES=$(SCHEDULES) go test -race -count=1 -timeout 60m -v -run '^TestInterleavings$$' ./delivery | grep -v '^ *\(=== \|--- PASS\)'

FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## each fuzz test for FUZZTIME (20s)
	lab/test fuzz $(FUZZTIME)

SHARE = $(DESTDIR)$(PREFIX)/share
.PHONY: install
install: man ## binaries, manual, completion and job templates under PREFIX (/usr/local); DESTDIR is honoured
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/autobuilder
	install -m 755 bin/deliver bin/autobuilder $(DESTDIR)$(PREFIX)/bin/
	install -D -m 644 bin/man/deliver.1 $(SHARE)/man/man1/deliver.1
	install -D -m 644 bin/man/deliver-config.5 $(SHARE)/man/man5/deliver-config.5
	install -D -m 644 deliver/cmd/deliver/completion/deliver.bash $(SHARE)/bash-completion/completions/deliver
	install -D -m 644 deliver/cmd/deliver/completion/deliver.zsh $(SHARE)/zsh/site-functions/_deliver
	install -D -m 644 deliver/cmd/deliver/completion/deliver.fish $(SHARE)/fish/vendor_completions.d/deliver.fish
	install -D -m 644 bin/man/autobuilder.1 $(SHARE)/man/man1/autobuilder.1
	install -D -m 644 autobuilder/cmd/autobuilder/completion/autobuilder.bash $(SHARE)/bash-completion/completions/autobuilder
	install -D -m 644 autobuilder/cmd/autobuilder/completion/autobuilder.zsh $(SHARE)/zsh/site-functions/_autobuilder
	install -D -m 644 autobuilder/cmd/autobuilder/completion/autobuilder.fish $(SHARE)/fish/vendor_completions.d/autobuilder.fish
	rm -rf $(SHARE)/autobuilder/jenkins-jobs
	cp -R jenkins-jobs $(SHARE)/autobuilder/jenkins-jobs

.PHONY: clean
clean: ## bin/ and .cache/ (tools, the servers' base tree)
	@if [ -x lab/demo ] && [ -d .cache ]; then lab/demo down; fi
	rm -rf bin .cache
