# `make test` sets everything up on a fresh machine with Rust and Go and runs everything.
# `make check` is the part without the end-to-end suite, for the inner loop.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
CARGO_MUTANTS_VERSION := 27.1.0
TOOLS_DIR := $(CURDIR)/target/tools
STATIC := $(CURDIR)/target/static/tagseal

include e2e/tools.mk
include charts/chart.mk

step = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 12

.PHONY: test
test: check tokens deny chart e2e ## everything: formatting, lints, unit, conformance, in-process, dependencies, chart, end-to-end
	$(call step,passed: formatting$(comma) lints$(comma) unit$(comma) conformance$(comma) in-process$(comma) tokens$(comma) dependency rules$(comma) chart$(comma) end-to-end)

.PHONY: check
check: format lint unit ## the fast part: formatting, lints, unit, conformance, in-process

.PHONY: format
format:
	$(call step,formatting)
	$(CARGO) fmt --all --check

.PHONY: lint
lint:
	$(call step,lints)
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test e2e -- -D warnings
	$(CARGO) clippy --locked --package tagseal-pkcs11 --all-targets -- -D warnings

.PHONY: unit
unit:
	$(call step,unit$(comma) conformance and in-process tests)
	$(CARGO) test --locked

# Needs SoftHSM2, which the script of the end-to-end suite installs.
.PHONY: tokens
tokens: notary ## tagseal-pkcs11 against tokens of SoftHSM2
	$(call step,tokens)
	$(CARGO) test --locked --package tagseal-pkcs11

.PHONY: pkcs11
pkcs11: ## the release binary of tagseal-pkcs11, which signs with keys in tokens
	$(call step,release binary of tagseal-pkcs11)
	$(CARGO) build --locked --release --package tagseal-pkcs11

# SEED repeats a soak: make soak SEED=7.
SEED ?= $(shell od -An -N8 -tu8 /dev/urandom | tr -d ' ')

.PHONY: soak
soak: ## random tests with a fresh seed and many more cases; SEED=n repeats one
	$(call step,random tests at length)
	@seed=$(SEED); echo "seed $$seed; the same again: make soak SEED=$$seed"; \
	TAGSEAL_SOAK=$$seed $(CARGO) test --locked \
		|| { echo "failed with seed $$seed; the same again: make soak SEED=$$seed"; exit 1; }

# How long each target runs.
FUZZ_SECONDS ?= 1200

.PHONY: fuzz
fuzz: ## the fuzz targets, FUZZ_SECONDS=n (1200) for each
	$(call step,fuzz targets)
	@$(CARGO) fuzz --version 2>/dev/null | grep -qF '$(CARGO_FUZZ_VERSION)' \
		|| $(CARGO) install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked
	fuzz/run.sh $(FUZZ_SECONDS)

# Which part of all mutants: SHARD=2/40.
SHARD ?= 0/1

.PHONY: mutants
mutants: ## checks taken away, one by one: each must make a test fail (a minute each); SHARD=k/n is a part
	$(call step,mutants)
	@$(CARGO) mutants --version 2>/dev/null | grep -qF '$(CARGO_MUTANTS_VERSION)' \
		|| $(CARGO) install cargo-mutants --version $(CARGO_MUTANTS_VERSION) --locked
	$(CARGO) mutants --shard $(SHARD) --output target/mutants -- -- \
		admission:: attacks:: conformance:: fuzz_corpus:: policy:: resolution:: trust:: tuf::

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

.PHONY: static
static: ## the static release binary, as the image has it
	$(call step,static release binary)
	target=$$(e2e/tools/static-target.sh); \
	env "CARGO_TARGET_$$(uname -m | tr a-z A-Z)_UNKNOWN_LINUX_GNU_RUSTFLAGS=-C target-feature=+crt-static" \
	$(CARGO) build --locked --release --bin tagseal --target "$$target"; \
	install -D "target/$$target/release/tagseal" $(STATIC)

.PHONY: e2e
e2e: static tools ## the suite against real components, with the binary that the image has
	$(call step,end-to-end)
	$(CARGO) build --locked --package tagseal-pkcs11
	KUBEBUILDER_ASSETS="$${KUBEBUILDER_ASSETS:-$(TOOLS_DIR)}" TAGSEAL_BIN="$${TAGSEAL_BIN:-$(STATIC)}" TAGSEAL_STATIC=$(STATIC) \
		$(CARGO) test --locked --test e2e
	$(call step,rights: enough$(comma) and all of them used)
	$(CARGO) test --locked --test e2e -- --ignored --exact \
		scenarios::rights::the_rights_of_the_last_run_were_enough_and_all_used

.PHONY: bench
bench: ## the benchmarks (figures in docs/ARCHITECTURE.md)
	$(CARGO) bench --locked

comma := ,
