# `make test` sets everything up on a fresh machine with Rust and Go and runs everything.
# `make check` is the part without the end-to-end suite, for the inner loop.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
TOOLS_DIR := $(CURDIR)/target/tools

include e2e/tools.mk

step = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 12

.PHONY: test
test: check deny e2e ## everything: formatting, lints, unit, conformance, in-process, dependencies, end-to-end
	$(call step,passed: formatting$(comma) lints$(comma) unit$(comma) conformance$(comma) in-process$(comma) dependency rules$(comma) end-to-end)

.PHONY: check
check: format lint unit ## the fast part: formatting, lints, unit, conformance, in-process

.PHONY: format
format:
	$(call step,formatting)
	$(CARGO) fmt --check

.PHONY: lint
lint:
	$(call step,lints)
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test e2e -- -D warnings

.PHONY: unit
unit:
	$(call step,unit$(comma) conformance and in-process tests)
	$(CARGO) test --locked

.PHONY: deny
deny: ## dependency rules: licences, banned and doubled crates, sources
	$(call step,dependency rules)
	@$(CARGO) deny --version 2>/dev/null | grep -qF '$(CARGO_DENY_VERSION)' \
		|| $(CARGO) install cargo-deny --version $(CARGO_DENY_VERSION) --locked
	$(CARGO) deny --locked check bans licenses sources

.PHONY: release
release: ## the release binary
	$(call step,release binary)
	$(CARGO) build --locked --release

.PHONY: e2e
e2e: release tools ## the suite against real components
	$(call step,end-to-end)
	KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$(TOOLS_DIR)}" TAGSEAL_BIN=$(CURDIR)/target/release/tagseal \
		$(CARGO) test --locked --test e2e

.PHONY: bench
bench: ## the benchmarks (figures in docs/ARCHITECTURE.md)
	$(CARGO) bench --locked

comma := ,
