# The targets only call go, npm and the programs built here.
.DEFAULT_GOAL := help
.PHONY: help check check-external external-environments test-windows stage stage-chaos demo chaos package deploy deploy-check package-agent test soak lint bench fuzz clean
SHELL := /bin/bash

GO ?= go
DIST ?= dist
# Lint, programs and tests are compiled in one way: without cgo, as the app is deployed, and
# without the folder, so that another clone finds what this one compiled.
export CGO_ENABLED ?= 0
export GOFLAGS ?= -trimpath
FUZZTIME ?= 20s
SEED ?= 1
RUNS ?= 3

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# $(call bindings,FOLDER) makes the folder of an app, all but its handler.
define bindings
	@rm -rf $(1) && mkdir -p $(1)/bin
	@cp host.json $(1)/
	@set -e; for f in functions/*/function.json; do d=$(1)/$$(basename $$(dirname $$f)); mkdir -p $$d; cp $$f $$d/; done
endef

stage: ## build dist/app, the deployable function app, and dist/bin
	$(call bindings,$(DIST)/app)
	@mkdir -p $(DIST)/bin
	CGO_ENABLED=0 $(GO) build -trimpath -o $(DIST)/app/bin/handler ./cmd/handler
	CGO_ENABLED=0 $(GO) build -trimpath -o $(DIST)/bin/ ./cmd/stackusage ./cmd/stackusage-agent ./cmd/devstack

demo: stage ## run three days of usage of a simulated stack to the bill
	$(DIST)/bin/devstack run --scenario three-days --out out

# The handler of dist/chaos/app has a clock that can be moved; it is never deployed.
stage-chaos: stage
	@rm -rf $(DIST)/chaos && mkdir -p $(DIST)/chaos && cp -r $(DIST)/app $(DIST)/chaos/app
	CGO_ENABLED=0 $(GO) build -trimpath -tags movedclock -o $(DIST)/chaos/app/bin/handler ./cmd/handler

chaos: stage-chaos ## fail everything around the app, RUNS times from SEED on, and check the bill
	$(DIST)/bin/devstack chaos --seed $(SEED) --runs $(RUNS) --out out/chaos

# The app as it is deployed, dist/app.zip, with the list of what its handler is
# made of beside it. Its time is the commit's, and nothing in it knows where or
# when it was built: the same commit and the same Go make the same bytes. Flex
# Consumption runs on amd64; ARCH=arm64 makes dist/app-arm64.zip for other hosts.
# What Go reads from who builds is set here: with GOFLAGS=-tags=movedclock in the
# environment the package would have the clock that is never deployed. Files that
# git does not know are a changed tree, too.
ARCH ?= amd64
PACKED = $(DIST)/app$(if $(filter-out amd64,$(ARCH)),-$(ARCH))
CYCLONEDX = $(GO) tool -modfile=test/tools/cyclonedx/go.mod cyclonedx-gomod
package: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
package: COMMIT ?= $(or $(shell git describe --always --abbrev=40 --exclude='*')$(if $(shell git status --porcelain),-dirty),unknown)
package: export override GOFLAGS = -mod=readonly
package: export override GOAMD64 = v1
package: export override GOARM64 = v8.0
package: export override GOEXPERIMENT =
package: export override GOFIPS140 = off
package: export override GOOS = $(shell $(GO) env GOHOSTOS)
package: export override GOARCH = $(shell $(GO) env GOHOSTARCH)
package: ## build dist/app.zip, the app for Azure (ARCH=amd64), and its CycloneDX list
	$(call bindings,$(DIST)/package/$(ARCH))
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) $(GO) build -trimpath -buildvcs=false -o $(DIST)/package/$(ARCH)/bin/handler ./cmd/handler
	$(GO) run ./internal/appzip zip $(DIST)/package/$(ARCH) $(PACKED).zip
	@set -o pipefail; $(CYCLONEDX) bin -json -std -noserial -notimestamp -version $(COMMIT) $(DIST)/package/$(ARCH)/bin/handler | $(GO) run ./internal/appzip bom $(PACKED).cdx.json
	@ls -l $(PACKED).zip $(PACKED).cdx.json

# Both need az (docs/deploy.md) and SUBSCRIPTION; the scripts name the rest.
deploy: export PACKAGE = $(DIST)/app.zip
deploy: override ARCH = amd64
deploy: package ## deploy to Azure: SUBSCRIPTION, LOCATION; asks after what-if (CONFIRM=yes: does not)
	@infra/deploy/deploy.sh

deploy-check: export TOOL = $(DIST)/bin/stackusage
deploy-check: stage ## smoke-test the deployment: SUBSCRIPTION; APP_SCOPE behind App Service authentication
	@infra/deploy/check.sh

# nfpm has a module of its own, so that what it is made of is no part of ours.
# The time in the package is the commit's: the same tree makes the same bytes.
NFPM = $(GO) tool -modfile=test/tools/nfpm/go.mod nfpm
# The version is that of the source, the time of the commit and the commit.
package-agent: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
package-agent: export VERSION ?= $(shell sed -n 's/^var version = "\(.*\)"/\1/p' cmd/stackusage-agent/main.go)+$(shell date -u -d @$(SOURCE_DATE_EPOCH) +%Y%m%d%H%M).$(or $(shell git describe --always --abbrev=12 --exclude='*'),unknown)$(if $(shell git status --porcelain),.dirty)
package-agent: export DIST := $(DIST)
package-agent: ## build the agent for Linux and Windows, and its Debian package
	@mkdir -p $(DIST)
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(DIST)/stackusage-agent ./cmd/stackusage-agent
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(DIST)/stackusage-agent.exe ./cmd/stackusage-agent
	$(NFPM) package --config infra/agent/nfpm.yaml --packager deb --target $(DIST)/stackusage-agent_$(VERSION)_amd64.deb

# Not the packages whose tests build and run programs.
CHECKED = $(shell $(GO) list ./... | grep -vE '/(test(/.*)?|infra(/.*)?|cmd/devstack|cmd/stackusage-agent|internal/devstack/(functionhost|azurite|accountpage)|internal/(bicep|appzip|npm|browsertest))$$')
check: lint ## the inner loop: lint, vet, and the tests that need neither Azurite nor programs
	STACKUSAGE_CHECK=1 $(GO) test -short -vet=off $(CHECKED)

# Packages whose tests mostly wait begin first: others work meanwhile. go vet is in lint. The race
# detector needs cgo.
test: export CGO_ENABLED = 1
test: export GORACE = atexit_sleep_ms=0
test: lint ## run everything: checks, unit tests, end-to-end scripts, all with the race detector
	$(GO) test -race -vet=off -p 4 -timeout 30m -skip '^(TestTheAgentOnWindows|TestVerifySeesBrokenRules)$$' ./test ./cmd/devstack ./agent ./handlers ./...

# Debian: apt-get install --no-install-recommends wine wine64 gcc-mingw-w64-x86-64-win32
test-windows: ## run the agent for Windows, under wine
	STACKUSAGE_WINE=1 $(GO) test -timeout 20m ./test -run TestTheAgentOnWindows

# Needs Python 3.12 or later; the packages of others are pinned in test/external.
check-external: stage ## check FOCUS files with the official validator, DuckDB and pyarrow, and table queries with the Azure CLI
	STACKUSAGE_EXTERNAL=1 $(GO) test -timeout 40m -count=1 -v ./test/external

external-environments: ## install the foreign tools of check-external
	STACKUSAGE_EXTERNAL=1 $(GO) test -timeout 20m -count=1 -run TestEnvironments ./test/external

soak: ## run the tests of the handlers on Azurite, random and exhaustive ones with all cases; kill the agent more often
	STACKUSAGE_SOAK=1 $(GO) test -timeout 60m ./handlers
	STACKUSAGE_SOAK=1 $(GO) test -timeout 30m -run TestWhatIsCarriedIsBilledOnce ./shared/daily
	STACKUSAGE_SOAK=1 $(GO) test -timeout 30m -run TestTheAgentProgramIsKilled ./test
	STACKUSAGE_SOAK=1 $(GO) test -timeout 30m -run 'TestKilledAtAnyMoment|TestAMonthOfFaultsThatNeverEnd' ./agent -kill-trials 200

lint: export GOGC ?= 400
lint: ## gofmt, vet, staticcheck; markdownlint, links and words of the pages
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "gofmt: run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run 'TestMarkdown|TestLinks|TestPagesSpeakPlainly' .

# docs/performance.md says what each number is. STACKUSAGE_BENCH_ROWS=20000 makes a short run.
OF_RECORD = ^Benchmark(Ingest|Close|Forward|Agent|Pipeline|CostOfAStack)$$
bench: ## measure speed and memory: the benchmarks of record
	@set -o pipefail; $(GO) test -run '^$$' -bench '$(OF_RECORD)' -benchtime 1x -timeout 2h ./shared/ingest ./shared/closing ./handlers ./agent ./test/pipeline | \
		awk '/^Benchmark/ { print $$1; for (i = 3; i < NF; i += 2) printf "  %14s %s\n", $$i, $$(i+1); fflush(); next } !/^(goos|goarch|PASS)/'

fuzz: ## fuzz every decoder for FUZZTIME each
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep ^Fuzz); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

clean: ## remove what was built
	rm -rf $(DIST) out
