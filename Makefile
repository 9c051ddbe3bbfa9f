# Copyright The scim-operator Authors.
# SPDX-License-Identifier: Apache-2.0

# Needs Go, make, git and, for the race detector, a C compiler. Everything else
# is built from pinned Go modules into the user's cache directory.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Arguments for `make run`, for example ARGS="--once".
ARGS ?=
# How long each fuzz target runs, and a part of the names of those that do.
FUZZTIME ?= 30s
FUZZ ?=
# The longest that the tests of one package may take.
TEST_TIMEOUT ?= 30m
# Flags for `make bench-endpoint` and `make bench-engine`, and how many users the large directory of the former has.
BENCH ?=
BENCH_USERS ?= 100000
# Options of `make simulate`: the number of seeds, the first seed, the number of events of each, the probability that an event is lost; or one seed, and whether to
# print its trace. SKIP are properties that are not checked, separated by commas.
SEEDS ?= 2000
FROM ?= 1
EVENTS ?= 200
DROPS ?= 0
SEED ?=
TRACE ?=
ALL ?=
SKIP ?=
# The one mutant that `make simulate-mutants` runs; all when empty.
MUTANT ?=
# What `make test` tests, and further flags for `go test`, for example TESTFLAGS="-run TestPatch -v".
PKG ?= ./...
TESTFLAGS ?=

# What the image is called, the version that it says it is, and for which platforms it is made; further flags for `docker buildx build`.
VERSION ?= dev
IMG ?= ghcr.io/scim-operator/scim-operator:$(VERSION)
GOARCH ?= $(shell go env GOARCH)
PLATFORMS ?= linux/$(GOARCH)
BUILDX_FLAGS ?= --load

# Where controller-gen finds markers for RBAC; what it writes.
RBAC_ROOTS := $(wildcard controllers internal cmd)
GENERATED := $(wildcard api/*/zz_generated.deepcopy.go) config docs/reference charts

.PHONY: help
help: ## Show this list.
	@echo 'usage: make TARGET [VARIABLE=VALUE ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2} /^##@ / {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ Use

.PHONY: run
run: ## Start API server, operator and demo apps, play a session, show what happens (ARGS="--once" checks and ends).
	@mkdir -p .run && go build -o .run/make-run ./hack/run && exec .run/make-run $(ARGS)

.PHONY: build
build: ## Build the operator into bin/manager.
	CGO_ENABLED=0 go build -trimpath -o bin/manager ./cmd

##@ Release

.PHONY: image-binary
image-binary: ## Build the operator for images into bin/manager-linux-$GOARCH: static, and the same bytes wherever it is built (GOARCH=arm64 VERSION=0.1.0).
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/manager-linux-$(GOARCH) ./cmd

.PHONY: docker-build
docker-build: ## Build the image, with Docker (IMG=registry.example.com/scim-operator:mine PLATFORMS=linux/amd64,linux/arm64 BUILDX_FLAGS=--push).
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) --tag $(IMG) $(BUILDX_FLAGS) .

.PHONY: dist
dist: ## Write what a release has into dist/: the charts, config/default as one file with the image IMG, the CRDs (VERSION=0.1.0).
	hack/dist $(VERSION) $(IMG)

##@ Test

.PHONY: test
test: controlplane ## Run all tests, with the race detector (PKG=./internal/scim/... for some of them).
	go test -race -timeout $(TEST_TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: test-unit
test-unit: ## Run the tests that need no API server, in seconds.
	go test -short -timeout $(TEST_TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: test-e2e
test-e2e: ## Install the chart in a real cluster and see it live there (CLUSTER=kind, CLUSTER_SCRIPTS=DIR, or KUBECONFIG and IMAGE_LOAD: docs/e2e.md).
	@hack/e2e/run

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s) and sum up what each has done (FUZZ=Patch for some of them).
	@hack/fuzz $(FUZZTIME) '$(FUZZ)'

.PHONY: simulate
simulate: ## Run the simulation of the engine: SEEDS=2000 seeds of EVENTS=200 events, until one fails (FROM=1; SEED=17 TRACE=1 for one of them; ALL=1 counts the failures).
	@mkdir -p bin && go test -c -o bin/simulation.test ./test/simulation
	@cd test/simulation && GOGC=1000 ../../bin/simulation.test -test.run '^(TestSearch|TestOneSeed)$$' -test.timeout 0 $(if $(SEED),-test.v) \
		$(if $(SEED),-sim.seed=$(SEED) $(if $(TRACE),-sim.trace),-sim.seeds=$(SEEDS) -sim.from=$(FROM) $(if $(ALL),-sim.all)) \
		-sim.events=$(EVENTS) -sim.drops=$(DROPS) '-sim.skip=$(SKIP)'

.PHONY: simulate-mutants
simulate-mutants: ## Check that the simulation detects the removal of each fix of the engine (MUTANT=name for one, ALL=1 for the rare ones too).
	go test ./test/simulation/mutants -count=1 -v -timeout 0 -mutants.seeds=$(SEEDS) $(if $(ALL),-mutants.all) '-mutants.only=$(MUTANT)' '-mutants.skip=$(SKIP)'

.PHONY: bench-endpoint
bench-endpoint: controlplane ## Measure the endpoint, as docs/performance.md says: about three quarters of an hour (BENCH=quick to see that it works, BENCH="-only=rates" for a part).
	go run ./test/bench $(if $(filter quick,$(BENCH)),-quick,-users=$(BENCH_USERS) $(BENCH))

.PHONY: bench-engine
bench-engine: controlplane ## Measure the way to the apps, as docs/performance.md says: about 20 minutes (BENCH=quick to see that it works, BENCH="-only=burst" for a part).
	go run ./test/bench engine $(if $(filter quick,$(BENCH)),-quick,$(BENCH))

.PHONY: lint
lint: ## Run golangci-lint: style, mistakes, and the walls between packages.
	@"$$(hack/tools/tool golangci-lint)" run --allow-parallel-runners

.PHONY: vet
vet: ## Run go vet.
	go vet ./...

.PHONY: verify-generate
verify-generate: ## Fail when the generated files are not what the sources say.
	@before=$$($(MAKE) generated-sum); \
	$(MAKE) generate; \
	if [[ $$before != "$$($(MAKE) generated-sum)" ]]; then \
		git --no-pager diff --stat -- $(GENERATED); \
		echo 'The generated files were not up to date: run "make generate" and commit what it writes.' >&2; \
		exit 1; \
	fi

##@ Change

.PHONY: generate
generate: ## Write deepcopy functions, CRDs, RBAC, the field reference (docs/reference), the charts' parts, and config/ from the chart.
	@gen=$$(hack/tools/tool controller-gen); \
	rm -f config/crd/bases/*.yaml; \
	"$$gen" object:headerFile=hack/boilerplate.go.txt paths=./api/...; \
	"$$gen" crd paths=./api/... output:crd:dir=config/crd/bases; \
	"$$gen" rbac:roleName=scim-operator $(patsubst %,paths=./%/...,$(RBAC_ROOTS)) output:rbac:dir=config/rbac; \
	rm -f docs/reference/*.md; \
	go run ./hack/apidocs config/crd/bases docs/reference; \
	for chart in charts/*; do go run ./hack/chart "$$chart"; done; \
	hack/manifests

.PHONY: fmt
fmt: ## Format the sources.
	@"$$(hack/tools/tool golangci-lint)" fmt

##@ Tools

.PHONY: controlplane
controlplane: ## Get kube-apiserver, etcd and kube-controller-manager (built once, about 5 minutes) and print where they are.
	@go run ./internal/controlplane/assets/get

.PHONY: clean
clean: ## Remove bin/, dist/ and .run/ (the programs in the user's cache directory stay).
	rm -rf bin dist .run

.PHONY: generated-sum
generated-sum:
	@find $(GENERATED) -type f | LC_ALL=C sort | xargs cksum
