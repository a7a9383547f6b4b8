# `make` alone lists the commands that people use. CI uses the same ones.

# Tools run at a pinned version. They are not in go.mod, so that users of the library do not download them.
GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT       = go run mvdan.cc/gofumpt@v0.12.0
ACTIONLINT    = go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
REDOCLY       = npx --yes @redocly/cli@2.77.0
SPECTRAL      = npx --yes @stoplight/spectral-cli@6.16.3
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Tools from npm run no install scripts, send no telemetry and check for no updates.
export REDOCLY_SUPPRESS_UPDATE_NOTICE = true
export REDOCLY_TELEMETRY = off
export npm_config_audit = false
export npm_config_fund = false
export npm_config_ignore_scripts = true
export npm_config_update_notifier = false

# Modules other than the root module. ./... does not include their packages.
INNER_MODULES = $(patsubst %/go.mod,%,$(wildcard kalshiauth/*/go.mod kalshiauth/internal/*/go.mod))

# Those of them that users import. Each has tags of its own.
PUBLIC_MODULES = $(patsubst %/go.mod,%,$(wildcard kalshiauth/*/go.mod))

# $(call in_each_module,COMMAND) runs COMMAND in the directory of each module, up to the first failure.
in_each_module = for dir in . $(INNER_MODULES); do (cd $$dir && $(1)) || exit 1; done

# $(call named_tests,PACKAGE,PATTERN FLAGS) runs some tests of a package, and prints what they measure.
named_tests = bash .github/scripts/named-tests.sh $(1) $(2)

need_npx = command -v npx >/dev/null || { echo 'npx is missing: install Node.js'; exit 1; }

MIN_COVERAGE = 95

.DEFAULT_GOAL := help
.PHONY: help demo test race lint lint-go lint-size lint-workflows lint-document lint-platforms cover generate \
	verify-generated bench checker-bench stress faults contract-mutants machines soak fuzz contract diff docs vulncheck build ci

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## call every operation of the fake server, and print the results
	go run ./kalshiauth/cmd/kalshiauth demo

test: ## run the tests of all modules
	$(call in_each_module,go test ./...)
	@command -v redis-server valkey-server >/dev/null || echo 'test: there is no redis-server or valkey-server on the' \
		'PATH: redisstore was tested with miniredis, and its tests of a real server were left out'

race: ## run the same tests with the race detector; needs a C compiler
	export CGO_ENABLED=1; $(call in_each_module,go test -race -timeout 20m ./...)

lint: lint-go lint-size lint-workflows lint-document lint-platforms ## check code, workflows and document; needs Node.js
	@echo 'lint: no findings'

lint-go:
	files=$$($(GOFUMPT) -l .) && if [ -n "$$files" ]; then echo "not formatted with gofumpt: $$files"; exit 1; fi
	$(call in_each_module,$(GOLANGCI_LINT) run ./...)

lint-size:
	bash .github/scripts/line-limits.sh

lint-workflows:
	$(ACTIONLINT) -shellcheck= -pyflakes= .github/workflows/*.yml

# recommended-strict has the rules of recommended, with each warning as an error.
lint-document:
	go test ./api
	@$(need_npx)
	$(REDOCLY) lint --extends recommended-strict api/openapi.yaml
	$(SPECTRAL) lint --fail-severity warn api/openapi.yaml

lint-platforms:
	for os in linux darwin windows; do GOOS=$$os go build ./... && GOOS=$$os go vet ./... || exit 1; done

cover: ## measure how much of three packages their own tests cover; less than $(MIN_COVERAGE)% is a failure
	@for package in kalshiauth kalshiauth/autologin kalshiauth/redisstore; do \
		cd $(CURDIR)/$$package && go test -coverpkg=. -coverprofile=$(CURDIR)/coverage.out . || exit 1; \
		go tool cover -func=$(CURDIR)/coverage.out | awk -v package=$$package -v least=$(MIN_COVERAGE) \
			'/^total:/ { percent = $$3 } END { print package ": " percent " of statements covered, " least "% required"; \
			exit percent + 0 < least }' || exit 1; \
	done

generate: ## generate gen/ from api/openapi.yaml
	go generate ./...

verify-generated: ## check that gen/ is up to date
	bash .github/scripts/verify-generated.sh

bench: ## compare with other clients, and write .github/docs/benchmarks.*; takes a few minutes
	cd kalshiauth/internal/bench && go run . \
		-svg ../../../.github/docs/benchmarks.svg -markdown ../../../.github/docs/benchmarks.md

checker-bench: ## compare the cost of a contract.Checker with that at REVISION=75ff03c
	bash .github/scripts/checker-bench.sh $(or $(REVISION),75ff03c)

stress: faults contract-mutants machines ## run the tests of faults and of many machines, a soak test, fuzz targets
	@$(MAKE) --no-print-directory soak REQUESTS=$(or $(REQUESTS),100000)
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$(or $(FUZZTIME),3s)

faults:
	@$(call named_tests,./kalshiauth/internal/robustness,. -skip=Soak)

contract-mutants:
	@$(call named_tests,./kalshiauth/contract,'Mutants|Conforming')

# One after the other, so that each has the whole machine.
machines:
	@$(call named_tests,./kalshiauth/redisstore,Stress -parallel=1 -stress.processes=20 -stress.sources=50 \
		-stress.endings=20)

soak: ## send REQUESTS=1000000 requests from 200 goroutines while the server ends their session again and again
	@$(call named_tests,./kalshiauth/internal/robustness,Soak -soak.requests=$(or $(REQUESTS),1000000))

fuzz: ## run each fuzz target for FUZZTIME=10s, up to the first failure
	@bash .github/scripts/fuzz.sh $(or $(FUZZTIME),10s)

contract: ## check the fake server, its pages, and programs of others; uses Node.js and Chromium
	bash .github/scripts/contract.sh
	bash .github/scripts/foreign.sh
	bash .github/scripts/html-report.sh
	bash .github/scripts/serve-page.sh

diff: ## show what changed for users since BASE=main; a breaking change of the document needs a new major version
	@for dir in . $(PUBLIC_MODULES); do bash .github/scripts/api-diff.sh $(or $(BASE),main) $$dir || exit 1; done
	@bash .github/scripts/spec-diff.sh $(or $(BASE),main)

# The page contains its scripts, so that no other server can change what it shows.
docs: ## render api/openapi.yaml as build/docs/index.html; needs Node.js
	@$(need_npx)
	$(REDOCLY) build-docs api/openapi.yaml --inlineBundle --output build/docs/index.html
	@for id in $$(sed -n 's/^ *operationId: *//p' api/openapi.yaml); do \
		grep -qF "\"operationId\":\"$$id\"" build/docs/index.html || { echo "docs: the page lacks $$id"; exit 1; }; \
	done

# Not a part of ci: its result can change without a change of the project.
vulncheck: ## look for known vulnerabilities in the code that the project reaches; needs network access
	$(call in_each_module,$(GOVULNCHECK) ./...)

build:
	$(call in_each_module,go build ./...)

ci: verify-generated lint test race cover contract stress demo ## run everything that a pull request must pass
