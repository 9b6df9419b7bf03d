# wrapup. `make` or `make help` says what there is.
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOLANGCI_LINT := v2.15.0
NFPM := v2.45.2
BIN := bin
LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT)

.PHONY: help
help: ## Say what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/wrapup
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/wrapup ./cmd/wrapup

.PHONY: demo
demo: build ## See it work: one call, from the dialer's events to the CRM
	@$(BIN)/wrapup demo

# Suites in virtual time, and those that run many processes: the race detector would make minutes of them, and what they run
# is raced by the other tests.
UNRACED := ^(TestPresets|TestBrokenPresets|TestPowerCuts|TestSoak|TestBench|TestScrapesOfALargeBacklog|TestInitForEveryMapping|TestFlippedBytes|TestDamagedPages|TestStoreFullToItsMaxSize|TestBriefCheckFindsTheSame|TestRefusedCredentialsOnABacklog|TestNoRefreshTokenIsUsedTwice|TestKilledInMidRefresh|TestPreviewOfEveryMapping|TestEachWriteAndSyncFails|TestWrongNumberOfElements|TestExpectedIsWhatTheFoldGives|TestWhyInALargeStore|TestAnySplitOverTime|TestABacklogForADeadDestinationCostsNobodyElse)$$

# Most tests of the daemon wait for processes and timers more than they compute: hence more of them at a time than there are
# processors.
.PHONY: test
test: ## Run all tests, with the race detector
	go test -race -timeout 20m -parallel 6 -skip '$(UNRACED)' ./...
	go test -timeout 10m -parallel 6 -run '$(UNRACED)' ./cmd/wrapup ./connector/admin ./connector/finish ./connector/salvage ./connector/simulate ./outbox/bolt
	go test ./connector/deliver -run ABacklog
	go test ./connector/correlate -rapid.checks=10000
	go test ./cmd/wrapup -run 'TestSlowConnections|TestFloodsOfHeaders|TestDeepAndLargeBodies'

.PHONY: test-long
test-long: ## Kill the daemon 200 times under load, cut the power at every moment of 1,000 events, damage 2,000 files, ask for calls among a million
	TEST_CUTS=all go test -timeout 30m -count=1 -run TestPowerCuts -v ./cmd/wrapup
	TEST_FLIPS=2000 go test -timeout 30m -count=1 -run TestFlippedBytes -v ./connector/salvage
	TEST_KILLS=200 go test -timeout 30m -count=1 -run TestKilledAgainAndAgain -v ./cmd/wrapup
	TEST_CALLS=1000000 go test -timeout 30m -count=1 -run 'TestWhySpeed|TestWhyInALargeStore' -v ./cmd/wrapup ./connector/admin

SOAK ?= 5m

.PHONY: soak
soak: ## Run under kills, a disk that fills up and faulty destinations, and compare the sets (SOAK=5m)
	SOAK=$(SOAK) go test -timeout 0 -count=1 -run TestSoak -v ./cmd/wrapup

FUZZTIME ?= 5m

.PHONY: fuzz
fuzz: ## Give each fuzz target its minutes, one after the other (FUZZTIME=5m)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "== $$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package || exit 1; \
		done; \
	done

.PHONY: bench
bench: build ## Measure what wrapup can take on this machine
	@$(BIN)/wrapup bench

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: lint
lint: $(LINT) ## Run the linter, at the version that is pinned here
	$(LINT) run ./...

# The linter is no `go tool` of the module: that would drag hundreds of modules into go.mod.
$(LINT):
	@mkdir -p $(BIN)
	GOBIN=$(abspath $(BIN)) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@mv $(BIN)/golangci-lint $@

.PHONY: fmt
fmt: ## Format the code
	gofmt -w cmd connector mappings outbox configs

.PHONY: e2e
e2e: ## Test against a real Request Tracker 5 and a real Redmine 5, which it installs (Debian, root)
	@bash .ci/e2e/run

.PHONY: e2e-setup
e2e-setup: ## Install what e2e needs
	@bash .ci/e2e/request-tracker install
	@bash .ci/e2e/redmine install

# v1.2.0-rc1 is before 1.2.0 for dpkg and rpm, and five commits after v1.2.0 are after it. Without a tag the commits count.
PACKAGE_VERSION ?= $(or $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | \
	sed -E 's/^v//; s/-([0-9]+)-g([0-9a-f]+)$$/+\1.\2/; s/-/~/g'),0.0.0+$(shell git rev-list --count HEAD).$(shell git rev-parse --short HEAD))
PACKAGES := $(BIN)/packages

.PHONY: packages
packages: build $(BIN)/nfpm-$(NFPM) ## Build bin/packages/*.deb and *.rpm
	@rm -rf $(PACKAGES)
	@mkdir -p $(PACKAGES)/tree
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/wrapup man $(PACKAGES)/tree/man
	gzip -9n $(PACKAGES)/tree/man/*
	for shell in bash zsh fish; do $(BIN)/wrapup completion $$shell >$(PACKAGES)/tree/$$shell || exit 1; done
	for kind in deb rpm; do \
		VERSION=$(PACKAGE_VERSION) ARCH=$$(go env GOARCH) TREE=$(PACKAGES)/tree $(BIN)/nfpm-$(NFPM) package \
			--config configs/packages/nfpm.yaml --packager $$kind --target $(PACKAGES) || exit 1; \
	done
	@rm -r $(PACKAGES)/tree

.PHONY: packages-test
packages-test: ## Install, upgrade and remove the package in a fresh Debian under systemd (Debian, root)
	@bash .ci/packages

# Pinned like the linter, and for the same reason no tool of the module.
$(BIN)/nfpm-$(NFPM):
	@mkdir -p $(BIN)
	GOBIN=$(abspath $(BIN)) go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM)
	@mv $(BIN)/nfpm $@
