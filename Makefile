# One command a task. `make` alone lists them.

# Tools are run at a pinned version and stay out of go.mod, so that no user of the library downloads them.
GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT       = go run mvdan.cc/gofumpt@v0.12.0
ACTIONLINT    = go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
REDOCLY       = npx --yes @redocly/cli@2.77.0
OASDIFF       = go run github.com/oasdiff/oasdiff@v1.36.0
APIDIFF       = go run golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e
SPECTRAL      = npx --yes @stoplight/spectral-cli@6.16.3
GOVULNCHECK   = go run golang.org/x/vuln/cmd/govulncheck@v1.9.0

# The tools from npm run no install scripts, report nothing and look for no updates.
export REDOCLY_SUPPRESS_UPDATE_NOTICE = true
export REDOCLY_TELEMETRY = off
export npm_config_audit = false
export npm_config_fund = false
export npm_config_ignore_scripts = true
export npm_config_update_notifier = false

MIN_COVERAGE = 95
FUZZTIME     = 10s
REQUESTS     = 1000000

# Modules of their own, which ./... does not reach.
INNER_MODULES = $(patsubst %/go.mod,%,$(wildcard kalshiauth/internal/*/go.mod))

.DEFAULT_GOAL := help
.PHONY: help demo test race lint lint-go lint-workflows lint-document lint-platforms generate verify-generated bench \
	cover mutants soak faults fuzz contract contract-mutants spec-diff api-diff vulncheck docs release-check ci

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: ## play every operation against the fake server, and print what comes back
	go run ./kalshiauth/cmd/kalshiauth demo

test: ## run all tests
	go test ./...
	for dir in $(INNER_MODULES); do (cd $$dir && go test ./...) || exit 1; done

race: ## run all tests under the race detector, which needs a C compiler
	CGO_ENABLED=1 go test -race ./...

lint: lint-go lint-workflows lint-document lint-platforms ## check code, workflows and document; needs Node.js
	@echo 'lint: nothing found'

lint-go:
	files=$$($(GOFUMPT) -l .) && if [ -n "$$files" ]; then echo "not formatted by gofumpt: $$files"; exit 1; fi
	$(GOLANGCI_LINT) run ./...
	for dir in $(INNER_MODULES); do (cd $$dir && $(GOLANGCI_LINT) run ./...) || exit 1; done

lint-workflows:
	$(ACTIONLINT) -shellcheck= -pyflakes= .github/workflows/*.yml

# recommended-strict has the rules of recommended, with each warning an error.
lint-document:
	go test ./api
	@command -v npx >/dev/null || { echo 'npx is missing: install Node.js to lint the document'; exit 1; }
	$(REDOCLY) lint --extends recommended-strict api/openapi.yaml
	$(SPECTRAL) lint --fail-severity warn api/openapi.yaml

lint-platforms:
	for os in linux darwin windows; do GOOS=$$os go build ./... && GOOS=$$os go vet ./... || exit 1; done

generate: ## write gen/ anew from api/openapi.yaml
	go generate ./...

verify-generated: ## check that gen/ is what api/openapi.yaml generates
	bash .github/scripts/verify-generated.sh

# The page holds its scripts, so that nobody else's server can change what it says.
docs: ## render api/openapi.yaml as a page, build/docs/index.html; needs Node.js
	@command -v npx >/dev/null || { echo 'npx is missing: install Node.js to render the document'; exit 1; }
	$(REDOCLY) build-docs api/openapi.yaml --inlineBundle --output build/docs/index.html
	@for id in $$(sed -n 's/^ *operationId: *//p' api/openapi.yaml); do \
		grep -qF "\"operationId\":\"$$id\"" build/docs/index.html || { echo "docs: $$id is not on the page"; exit 1; }; \
	done

bench: ## compare requests, log-ins and log-outs with what else there is, in one run; about three minutes
	cd kalshiauth/internal/bench && go run .

faults: ## play every fault with each operation and an authenticated request, and count what stands
	@bash -o pipefail -c "go test -count=1 -v -run 'TestFaults|Endless' ./kalshiauth 2>&1 | \
		grep -E '^(ok|FAIL|panic)|faults: |endless bodies: |--- FAIL|_test.go:'"

soak: ## a million requests, or REQUESTS, from 200 goroutines, whose session is ended 50 times
	go test -run TestSoak -count=1 -v ./kalshiauth -soak.requests=$(REQUESTS) -timeout 10m

fuzz: ## fuzz each target for FUZZTIME=10s, one after another; the first finding is a failure, and shown
	@bash .github/scripts/fuzz.sh '$(FUZZTIME)'

cover: ## print the statement coverage of package kalshiauth by its tests; below 95% is a failure
	go test -coverpkg=./kalshiauth -coverprofile=coverage.out ./kalshiauth
	@go tool cover -func=coverage.out | awk -v least=$(MIN_COVERAGE) '/^total:/ { percent = $$3 } \
		END { print "kalshiauth: " percent " of statements covered, " least "% required"; exit percent + 0 < least }'

# Without the tests that take seconds, which find what the other ones find.
mutants: ## change the wrapper in small ways, and count the changes that its tests find; below 90% is a failure
	cd kalshiauth/internal/mutants && go run . -dir ../.. -skip 'TestFaults|AThousandEndless|TenThousand|TestSoak'

contract: ## hold the fake server against the document: cookie and Authorization, with and without a path prefix
	bash .github/scripts/contract.sh

contract-mutants: ## break the fake in every way that a check should catch, and count what is caught
	@bash -o pipefail -c "go test -count=1 -v -run 'TestMutants|TestConforming' ./kalshiauth/contract | \
		grep -E '^(ok|FAIL|contract mutants|conforming servers)|--- FAIL|_test.go:'"

spec-diff: ## say what changed in the document since BASE=REF; a break fails unless the major version rose
	@OASDIFF='$(OASDIFF)' bash .github/scripts/spec-diff.sh '$(or $(BASE),main)' '$(or $(DOCUMENT),api/openapi.yaml)'

api-diff: ## say what changed in the Go API since BASE=REF
	@APIDIFF='$(APIDIFF)' bash .github/scripts/api-diff.sh '$(or $(BASE),main)'

release-check: ## say whether the working tree can be released as TAG=vX.Y.Z
	@APIDIFF='$(APIDIFF)' bash .github/scripts/release.sh '$(TAG)'

# Not a part of ci: what it finds comes with time and not with a change. A database that cannot be read is a failure.
vulncheck: ## look for known vulnerabilities that the code reaches; needs Go's vulnerability database
	$(GOVULNCHECK) ./...
	for dir in $(INNER_MODULES); do (cd $$dir && $(GOVULNCHECK) ./...) || exit 1; done

ci: verify-generated lint test race cover contract contract-mutants faults fuzz ## run what a pull request must pass
	$(MAKE) soak REQUESTS=100000
