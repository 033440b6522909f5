# Latchkey: everything a newcomer needs. `make demo` and `make test` install what they miss.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
BIN := $(TARGET)/debug
PYTHON := $(TARGET)/python
NODE := $(TARGET)/node
ROOTFS := $(TARGET)/rootfs
CALLER := $(TARGET)/caller
MATRIX := docs/security/bypass-matrix.md

export LATCHKEY_BIN_DIR := $(BIN)
export LATCHKEY_PYTHON := $(PYTHON)/bin/python
export LATCHKEY_NODE := $(NODE)/bin/node
export LATCHKEY_ROOTFS := $(ROOTFS)
export LATCHKEY_BYPASS_CALLER := $(CALLER)/caller
export LATCHKEY_BYPASS_RESULTS := $(TARGET)/bypass

.PHONY: help deps clients build manual demo test test-slow test-kernels bypass-matrix bench fuzz corpus fmt lint clean-lab
help:            ## Shows this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

deps:            ## Installs what building and testing need (Debian, as root)
	@scripts/deps.sh test

clients: deps    ## Makes the clients and Debian trees that tests run in guests
	@scripts/python.sh "$(PYTHON)"
	@scripts/node.sh "$(NODE)"
	@scripts/rootfs.sh bookworm "$(ROOTFS)/bookworm"
	@scripts/caller.sh "$(CALLER)"

build:           ## Builds every program
	@scripts/deps.sh
	$(CARGO) build --workspace

manual: build    ## Writes manual pages and shell completions of `latchkey` to target/share
	$(BIN)/latchkey manual "$(TARGET)/share"

demo: build      ## Shows the main job in namespaces and stays up; DEMO=once runs it and exits
	$(BIN)/latchkey-lab demo $(if $(filter once,$(DEMO)),--once)

test: clients    ## Runs all gating checks
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) build --workspace
	@rm -rf "$(LATCHKEY_BYPASS_RESULTS)"
	$(CARGO) nextest run --workspace
	$(BIN)/latchkey-lab bypass-matrix --check $(MATRIX)
	$(CARGO) test --workspace --doc

test-slow: clients ## Runs the tests that take minutes, whose names begin with slow_
	@scripts/rootfs.sh trixie "$(ROOTFS)/trixie"
	$(CARGO) build --workspace
	$(CARGO) nextest run --workspace --profile slow
	@$(MAKE) --no-print-directory test-kernels

test-kernels: clients ## Runs the smoke tests on Debian's kernels in virtual machines, as root
	@scripts/deps.sh kernels
	$(CARGO) build --workspace
	@CARGO=$(CARGO) scripts/kernels.sh "$(TARGET)/kernels" "$(ROOTFS)/bookworm"

bypass-matrix:   ## Writes the table of ways round from the results of the last `make test`
	$(BIN)/latchkey-lab bypass-matrix $(MATRIX)

bench:           ## Measures direct, nginx and Latchkey in one run; writes target/bench/latest.json
	@scripts/deps.sh bench
	$(CARGO) build --workspace --release
	LATCHKEY_BIN_DIR=$(TARGET)/release $(TARGET)/release/latchkey-lab bench --output $(TARGET)/bench/latest.json

fuzz:            ## Fuzzes FUZZ_TARGETS (all) for FUZZ_SECONDS (600) each, with the installed toolchain
	@scripts/fuzz.sh "$(TARGET)/tools" "$(or $(FUZZ_SECONDS),600)" $(FUZZ_TARGETS)

corpus:          ## Takes of what fuzzing found into the corpora what covers most
	@scripts/corpus.py "$(TARGET)/tools" $(FUZZ_TARGETS)

fmt:             ## Formats the code
	$(CARGO) fmt --all

lint:            ## Checks format and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

clean-lab:       ## Removes what labs that were killed have left
	$(BIN)/latchkey-lab sweep
