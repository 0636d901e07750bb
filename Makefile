# `make` alone lists the targets. Everything that a target needs, it installs or builds first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config
export PG_CONFIG
# rustup's directory, for shells that were started before it was installed.
export PATH := $(HOME)/.cargo/bin:$(PATH)

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
ARGS ?=

ROOT := $(filter 0,$(shell id -u))
# PostgreSQL refuses to run as root, and only root writes into the system's PostgreSQL.
INSTALL_FLAGS := $(if $(ROOT),,--sudo)
# A running server keeps the library that it has loaded, instead of finding it changed under its feet.
MAKE_WAY := $(if $(ROOT),,sudo) rm -f "$$($$PG_CONFIG --pkglibdir)/sequin.so"
SERVER_USER := $(if $(ROOT),postgres,$(shell id -un))

##@ Try it
.PHONY: demo demo-stop
demo: install ## The whole idea in a terminal (KEEP=1 leaves it running; STRIPE_API_KEY=… uses the real API)
	@$(PYTHON) scripts/demo.py

demo-stop: ## Stop and remove what a demo with KEEP=1 left running
	@[ ! -x $(PYTHON) ] || $(PYTHON) scripts/demo.py stop

##@ Build
.PHONY: setup build install
setup: ## Install what is missing: PostgreSQL 15, headers, libclang, cargo-pgrx, Python packages
	@scripts/setup.sh

build: setup ## Compile the extension
	@cargo build --release

install: setup ## Install the extension into the PostgreSQL of PG_CONFIG
	@$(MAKE_WAY)
	@cargo pgrx install --release $(INSTALL_FLAGS) --pg-config "$$PG_CONFIG"

##@ Test
.PHONY: test lint deny test-unit test-sql test-house fuzz test-e2e torture
test: setup ## All of them, with a summary
	@scripts/test.sh

lint: setup ## Formatting and lints
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .

deny: setup ## Licences, banned and doubled crates, known faults
	@scripts/deny.sh

test-unit: setup ## The pure crates; no PostgreSQL
	@cargo test -p sequin-domain -p sequin-provider -p sequin-net $(ARGS)

test-sql: setup ## #[pg_test]s, each inside a transaction of a throwaway server
	@$(MAKE_WAY)
	@base=$$(mktemp -d); chmod 755 "$$base"; trap 'rm -rf "$$base"' EXIT; \
	install -d -o "$(SERVER_USER)" "$$base/data"; \
	PATH="$$PWD/scripts/shim:$$PATH" cargo pgrx test --runas "$(SERVER_USER)" --pgdata "$$base/data" pg15 $(ARGS)

test-house: setup ## Checks of the repository itself, and of the fake APIs
	@$(PYTEST) tests/house $(ARGS)

fuzz: setup ## What reads the answers of APIs, each for SECONDS=10
	@SECONDS_EACH="$(or $(SECONDS),10)" scripts/fuzz.sh

# Most tests wait most of the time: three at once, each lot on a cluster of its own, fill two cores.
test-e2e: install ## A real cluster, real workers, real HTTP (ARGS="-k name" for one; AT_ONCE=1)
	@export SEQUIN_TORTURE_SEED="$${SEQUIN_TORTURE_SEED:-1}"; \
	$(PYTEST) tests/e2e --numprocesses $(or $(AT_ONCE),3) --dist worksteal $(ARGS) || { [ "$${CI:-}" = true ] \
	  && echo "What has failed is run once more, by itself; if that is well, it is a fault all the same." \
	  && $(PYTEST) tests/e2e --last-failed --last-failed-no-failures none; }

torture: install ## Changes, faults and crashes at random, for MINUTES=1 each; SEED=… draws the same again; PROVIDER=…
	@SEQUIN_TORTURE_SEED="$(SEED)" SEQUIN_TORTURE_MINUTES="$(or $(MINUTES),1)" \
	  $(PYTEST) tests/e2e/test_torture.py tests/e2e/test_torture_providers.py -s \
	  $(if $(PROVIDER),-k "$(PROVIDER)") $(ARGS)

##@ Work on it
.PHONY: dev dev-stop tables bench clean
dev: install ## A cluster with pgrx-config/postgresql.conf, left running
	@$(PYTHON) scripts/dev.py start

dev-stop: ## Stop it and throw it away
	@[ ! -x $(PYTHON) ] || $(PYTHON) scripts/dev.py stop

tables: setup ## Write the tables of collections in docs/providers.md anew, from the declarations
	@$(PYTHON) scripts/provider_tables.py

bench: install ## Figures beside their peers', each in one run
	@$(PYTHON) benches/run.py $(ARGS)

clean: dev-stop demo-stop ## Remove everything that was made here
	@rm -rf target .venv .cache .pytest_cache .ruff_cache tests/node_modules

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
