# Thin: each target installs what it needs, then calls cargo or one of our programs.
export PATH := $(HOME)/.cargo/bin:$(PATH)
LAB_ARGS ?= --simulated --racks 4 --machines-per-rack 16

.PHONY: help build test soak lab lab-down bench lint clients

help:           ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 14

build:          ## Build all programs, optimised, into target/release
	@scripts/setup build
	cargo build --release --bins

test: lint      ## Everything CI runs: lints, unit and integration tests, foreign clients
	@scripts/setup test
	cargo test --workspace
	cargo build --bins
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

soak:           ## The long version of the randomised tests (about an hour)
	@scripts/setup test
	METAL_SOAK=$${METAL_SOAK:-20} PROPTEST_CASES=$${PROPTEST_CASES:-5000} cargo test --release --workspace

lab: build      ## Start the simulated data centre and print how to go on
	target/release/mini-lab up $(LAB_ARGS)

lab-down:       ## Stop it and remove everything it made
	target/release/mini-lab down

bench: build    ## Measure the promised figures; JSON goes to target/bench/
	@scripts/setup test
	target/release/metal-bench
