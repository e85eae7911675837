# Thin: each target installs what it needs, then calls cargo or one of our programs.
export PATH := $(HOME)/.cargo/bin:$(PATH)
# The fabric is made of network namespaces, which only root may make.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo -E)
CARGO_TEST := cargo $(if $(SUDO),--config "target.'cfg(unix)'.runner='$(SUDO)'") test
# The switches' system, built once and kept; the tests need its FRR.
FRR_ROOT = root=$$($(SUDO) $(1)/mini-lab rootfs) && export METAL_FRR_ROOT=$$root
GUEST := $(SUDO) $(CURDIR)/target/debug/mini-lab guest --memory 4096 --timeout 7200 --share $(CURDIR)/target \
  --share $(CURDIR)/crates/mini-lab/tests --
LAB_ARGS ?=

.PHONY: help build test soak guest lab simulated-lab lab-down bench lint clients

help:           ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

build:          ## Build all programs, optimised, into target/release
	@scripts/setup build
	cargo build --release --bins

test: lint      ## Everything CI runs: lints, unit and integration tests, foreign clients
	@scripts/setup test
	cargo build --bins
	$(call FRR_ROOT,target/debug) && $(CARGO_TEST) --workspace
	scripts/clients

lint:
	@scripts/setup test
	cargo fmt --all --check
	cargo xtask check-layers
	cargo xtask check-style
	cargo clippy --workspace --all-targets -- -D warnings

clients:        ## Only the tests with clients we did not write
	@scripts/setup test
	cargo build --bins
	scripts/clients

soak: build     ## The long version of the randomised tests (more than an hour)
	@scripts/setup test
	$(call FRR_ROOT,target/release) && METAL_SOAK=$${METAL_SOAK:-20} METAL_SEQUENCES=$${METAL_SEQUENCES:-50} \
	  PROPTEST_CASES=$${PROPTEST_CASES:-5000} $(CARGO_TEST) --release --workspace

guest:          ## The fabric suite in a virtual machine whose kernel has VRF devices (an hour without KVM)
	@scripts/setup guest
	cargo build --bins
	$(call FRR_ROOT,target/debug) && export METAL_PATIENCE=600 && \
	  METAL_TOPOLOGY=$(CURDIR)/crates/mini-lab/tests/it/fabric/slow.toml \
	  cargo --config "target.'cfg(unix)'.runner='$(GUEST)'" \
	  test --package mini-lab --test it -- --test-threads=1 --nocapture fabric

lab: build      ## Build switches, machines and cables as namespaces, start everything, and print how to go on
	@scripts/setup lab
	$(SUDO) target/release/mini-lab up $(LAB_ARGS)

simulated-lab: build  ## The same without a fabric: 64 simulated machines, no root needed
	target/release/mini-lab up --simulated --racks 4 --machines-per-rack 16

lab-down:       ## Stop the lab and remove everything it made
	$(SUDO) target/release/mini-lab down

bench: build    ## Measure the promised figures; JSON goes to target/bench/
	@scripts/setup test
	$(call FRR_ROOT,target/release) && $(SUDO) target/release/metal-bench
