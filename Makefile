# Everything a developer types. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python that is new enough, or the one given: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NIGHTLY := $(VENV)/.installed-for-the-night

.PHONY: help demo test conformance nightly control-plane test-cluster gateways test-gateways image check fix format lint types imports generated docs protos crds bench bench-cluster lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | awk -F'\t' '{printf "  make %-15s%s\n", $$1, $$2}'

$(STAMP): requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: name it, as in make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version); the first time takes a minute" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(NIGHTLY): $(STAMP) requirements-nightly.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-nightly.lock
	@touch $@

demo: $(STAMP)  ## Watch a real Envoy allow and refuse, by policies that you can edit (loopback only)
	@exec $(BIN)/authz demo $(ARGS)

test: $(STAMP)  ## Run every test that this machine can run, in a few minutes
	@$(BIN)/python -m pytest $(ARGS)

conformance: $(STAMP)  ## Run the vectors that others published, and write docs/conformance.md (needs the corpora)
	@$(BIN)/python -m tests.conformance
	@$(BIN)/python -m pytest tests/conformance $(ARGS)

nightly: $(NIGHTLY)  ## Run what takes long: the same tests over many more cases, floods and soaks (half an hour or more)
	@$(BIN)/python -m pytest -m nightly $(ARGS)

control-plane:  ## Build the real control plane that `make test-cluster` needs (Go 1.26; minutes, 8 GB of caches)
	@tests/cluster/parts/build.sh
	@tests/cluster/parts/gateway-api.sh
	@tests/cluster/parts/foreign-crds.sh

test-cluster: $(STAMP)  ## Run the tests against a real API server (see `make control-plane`)
	@$(BIN)/python -m pytest -m cluster tests/cluster $(ARGS)

gateways:  ## Build the real gateways that `make test-gateways` needs (Go 1.26.7; minutes, 5 GB of caches)
	@tests/gateways/parts/build.sh

test-gateways: $(STAMP)  ## Run the tests behind Envoy Gateway and Contour (see `make gateways`)
	@$(BIN)/python -m pytest -m cluster tests/gateways $(ARGS)

image: $(STAMP)  ## Fill DIR with the root file system of the image, as the Dockerfile does: make image DIR=/tmp/image
	@$(BIN)/python image/build.py $(DIR)

check: format lint types imports generated test  ## Everything that CI checks; ends with `make test`

fix: $(STAMP)  ## Format, and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

format: $(STAMP)  ## Is everything formatted?
	@$(BIN)/ruff format --check .

lint: $(STAMP)  ## Lint
	@$(BIN)/ruff check .

types: $(STAMP)  ## Check types (mypy --strict)
	@$(BIN)/mypy

imports: $(STAMP)  ## Check who may import whom
	@$(BIN)/lint-imports --no-cache

generated: $(STAMP)  ## Are crds/, docs/reference/ and authz/envoy/pb/ current?
	@$(BIN)/python docs/generate.py --check

docs protos crds: $(STAMP)  ## Write the generated files anew
	@$(BIN)/python docs/generate.py

bench: $(STAMP)  ## Measure, as ratios of one run
	@$(BIN)/python -m benchmarks

bench-cluster: $(STAMP)  ## Measure 5,000 policies on a real API server (minutes; see `make control-plane`)
	@$(BIN)/python -m benchmarks.cluster

lock: $(STAMP)  ## Resolve the dependencies anew and pin them by hash, without any address
	@for each in "requirements.lock pyproject.toml" "requirements-dev.lock pyproject.toml --extra demo --group dev" \
		"requirements-nightly.lock --group nightly"; do set -- $$each; \
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--output-file $$1 $${@:2} $(ARGS); done

clean:  ## Remove the virtual environments and caches
	@rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
