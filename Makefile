# Run `make help` for a list of targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
LAB := PYTHONPATH=spawner $(PYTHON) -m gpudock.deploy
BIN := .venv/bin
UV := UV_NATIVE_TLS=1 UV_NO_CONFIG=1 VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv
PYTEST := $(BIN)/python -m pytest
EXTENSION := extensions/jupyterlab-gpudock
DESK := spawner/desk-ui
DESK_BUNDLE := spawner/gpudock/desk/static/dist/manifest.json

# Compiled once, not in each process of each run: a third of the fast tests' time.
unexport PYTHONDONTWRITEBYTECODE

# Tests have an engine of their own, which never meets the machine's. Its images are kept.
export GPUDOCK_TEST_SOCKET ?= /run/gpudock-test/docker.sock
TEST_ENGINE := $(LAB) engine --socket $(GPUDOCK_TEST_SOCKET)

.PHONY: help up down password gpudock doctor logs
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## /\1|/' \
		| while IFS='|' read -r target about; do printf '  %-14s %s\n' "$$target" "$$about"; done

up: ## start the lab; SIMULATE_GPUS=4 gives it four simulated GPUs
	@$(LAB) up $(if $(SIMULATE_GPUS),--simulate-gpus "$(SIMULATE_GPUS)")

down: ## stop the lab; all data is kept
	@$(LAB) down

password: ## show the first administrator's one-time password
	@$(LAB) password

gpudock: ## the command line of administrators: make gpudock ARGS="gpu list"
	@$(LAB) gpudock -- $(ARGS)

doctor: ## find out what is wrong with this server or its lab, and how to fix it
	@PYTHONPATH=spawner $(PYTHON) -m gpudock.doctor

logs: ## follow the logs of hub, desk and proxy
	@$(LAB) logs

# Development

.venv/.stamp: tests/requirements.lock pyproject.toml
	@echo "==> Making the development environment in .venv"
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "==> Installing Python's venv module"; \
		apt-get update -qq && apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv --clear .venv
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' tests/requirements.lock \
		> .venv/uv.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.lock
	$(UV) pip install --quiet --no-deps --require-hashes --requirements tests/requirements.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(EXTENSION)/node_modules/.stamp: $(EXTENSION)/package-lock.json | .venv/.stamp
	@echo "==> Installing the extension's Node packages"
	cd $(EXTENSION) && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(DESK)/node_modules/.stamp: $(DESK)/package-lock.json | .venv/.stamp
	@echo "==> Installing the Node packages of the desk's pages"
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(DESK_BUNDLE): $(DESK)/node_modules/.stamp $(DESK)/vite.config.ts \
		$(shell find $(DESK)/src -type f -not -path '*/__tests__/*')
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run build

.PHONY: dev desk lint format
dev: .venv/.stamp $(EXTENSION)/node_modules/.stamp \
	$(DESK)/node_modules/.stamp ## make the development environment

desk: $(DESK_BUNDLE) ## build the desk's pages from their sources

lint: dev ## linters, types, the direction of imports, and the words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=$(EXTENSION) $(BIN)/lint-imports
	git ls-files -z | xargs -0 $(BIN)/codespell
	cd $(EXTENSION) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run lint
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run lint

.PHONY: generate
generate: dev ## update the types that are generated from the sources
	$(BIN)/python $(EXTENSION)/scripts/generate_types.py
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run generate

format: dev ## format all sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd $(EXTENSION) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run format
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm run format

.PHONY: test test-unit test-integration test-promises test-bites test-machine test-random \
	test-extension test-desk test-hub test-docker test-browser test-chaos test-gpu test-engine chaos \
	test-with-engine test-beside-engine test-browser-lab test-browser-pages
# Make runs a line that calls make even for `make -n`, which must not touch an engine.
DRY_RUN := $(findstring n,$(firstword -$(MAKEFLAGS)))
test: ## all tests, the fast ones first; stops the engine that they were given
	@$(if $(DRY_RUN),,begun=$$SECONDS; \
	finish() { \
		status=$$?; took=$$((SECONDS - begun)); \
		$(TEST_ENGINE) --stop || status=1; \
		[ $$status != 0 ] || echo "==> All tests passed, in every tier, in $$((took / 60)) min $$((took % 60)) s"; \
		exit $$status; \
	}; \
	trap finish EXIT;) \
	$(MAKE) test-unit test-integration test-extension test-desk test-hub test-gpu; \
	$(MAKE) desk .venv/.chromium; \
	$(MAKE) --jobs 2 --output-sync=line test-with-engine test-beside-engine; \
	$(MAKE) test-chaos

# An engine is waited for most of the time. What needs a processor only runs meanwhile, and gives way.
test-with-engine:
	$(MAKE) test-docker
	$(MAKE) test-browser-lab

test-beside-engine:
	$(MAKE) test-browser-pages
	nice $(MAKE) test-machine

test-unit: .venv/.stamp ## the fast tests; ARGS="-k quota" chooses among them, as in each tier
	$(PYTEST) tests/unit --ignore=tests/unit/state_machine -p no:schemathesis \
		-m "not integration and not simulation" \
		--numprocesses auto $(ARGS)

test-integration: .venv/.stamp ## unit tests that start programs or search for long
	$(PYTEST) tests/unit -m "integration or simulation" --numprocesses auto $(ARGS)

test-promises: .venv/.stamp ## thousands of steps of the state machine
	GPUDOCK_TEST_EXAMPLES=$${GPUDOCK_TEST_EXAMPLES:-300} \
		$(PYTEST) tests/unit/state_machine/test_promises.py $(ARGS)

test-bites: .venv/.stamp ## the proof that the state machine finds what is broken
	$(PYTEST) tests/unit/state_machine/test_machine_bites.py --numprocesses auto $(ARGS)

# The long test first, and beside it the many short ones.
test-machine: .venv/.stamp ## both of these at once, which takes less time
	GPUDOCK_TEST_EXAMPLES=$${GPUDOCK_TEST_EXAMPLES:-300} \
		$(PYTEST) tests/unit/state_machine/test_promises.py \
		tests/unit/state_machine/test_machine_bites.py \
		--numprocesses auto --dist worksteal $(ARGS)

test-random: .venv/.stamp ## randomized tests with fresh examples; SEED=... repeats a run
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}; \
	echo "==> Randomized tests with SEED=$$seed"; \
	GPUDOCK_TEST_RANDOM=1 GPUDOCK_TEST_EXAMPLES=$${GPUDOCK_TEST_EXAMPLES:-100} \
		$(PYTEST) tests/unit -m "hypothesis and not slow" --hypothesis-seed=$$seed \
		--numprocesses auto $(ARGS)

test-extension: dev ## the tests of the JupyterLab extension
	$(PYTEST) $(EXTENSION) --numprocesses auto $(ARGS)
	cd $(EXTENSION) && PATH="$(CURDIR)/$(BIN):$$PATH" npm test

test-desk: dev ## the tests of the desk's pages
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm test

test-hub: .venv/.stamp ## the tests that need a JupyterHub process
	$(PYTEST) tests/hub --numprocesses auto --dist loadfile $(ARGS)

test-docker: .venv/.stamp test-engine ## the tests that need a Docker Engine
	$(PYTEST) tests/docker $(ARGS)

test-browser: dev test-engine .venv/.chromium $(DESK_BUNDLE) ## the tests that drive the lab in a browser
	$(MAKE) --jobs 2 --output-sync=line test-browser-lab test-browser-pages

# The lab is waited for most of the time; the pages have hubs of their own, without an engine.
test-browser-lab:
	$(PYTEST) tests/browser -m lab $(ARGS)

test-browser-pages:
	nice $(PYTEST) tests/browser -m "not lab" $(ARGS)

test-chaos: ## five minutes of chaos, the same faults each time
	$(MAKE) chaos SEED=1 ARGS="--seconds 300 $(ARGS)"

chaos: .venv/.stamp test-engine ## an hour of faults at random in a lab that is used; SEED=... repeats
	PYTHONPATH=spawner:tests $(BIN)/python -m chaos $(if $(SEED),--seed $(SEED)) $(ARGS)

test-gpu: .venv/.stamp ## the tests that need a real NVIDIA GPU; not run where there is none
	@if nvidia-smi -L 2>/dev/null | grep '^GPU' >&2; then $(PYTEST) tests/gpu; \
	else echo "==> No NVIDIA driver answers here, so the tests of a real GPU were not run"; fi

test-engine: ## bring the tests' engine, with the lab's images in it
	@GPUDOCK_DOCKER_SOCKET=$(GPUDOCK_TEST_SOCKET) $(LAB) images

.venv/.chromium: | .venv/.stamp
	@command -v chromium >/dev/null || { \
		echo "==> Installing Chromium"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	@touch $@

.PHONY: bench docs journeys docs-links lock translations clean
bench: .venv/.stamp test-engine ## compare with stock DockerSpawner and jupyterlab-nvdashboard
	PYTHONPATH=tests $(BIN)/python -m benchmarks.panel
	PYTHONPATH=tests $(BIN)/python -m benchmarks.in_hub decision
	PYTHONPATH=tests $(BIN)/python -m benchmarks.in_hub usage
	PYTHONPATH=tests $(BIN)/python -m benchmarks.desk
	PYTHONPATH=tests $(BIN)/python -m benchmarks

.PHONY: simulate
simulate: .venv/.stamp ## replay labs, and a cluster's trace in TRACE=folder, through the queue's rules
	PYTHONPATH=tests $(BIN)/python -m benchmarks.fairness $(TRACE)

docs: .venv/.stamp ## build the documentation into docs/_build/html, and check its internal links
	$(BIN)/python docs/make_reference.py
	$(BIN)/sphinx-build -q -E -W --keep-going docs docs/_build/html

journeys: dev .venv/.chromium $(DESK_BUNDLE) ## measure the journeys of docs/journeys.md again
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	GPUDOCK_JOURNEY_FIGURES="$$folder" $(PYTEST) tests/browser/journeys && \
	$(BIN)/python docs/make_journeys.py "$$folder"

docs-links: .venv/.stamp ## check the documentation's links to other sites
	$(BIN)/sphinx-build -q -b linkcheck docs docs/_build/linkcheck

LOCK := uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-annotate \
	--no-config --custom-compile-command "make lock"
lock: .venv/.stamp ## renew all locked versions
	cd images && ../$(BIN)/$(LOCK) --python-version 3.13 requirements-build.in \
		--output-file requirements-build.lock
	$(BIN)/$(LOCK) --python-version 3.13 pyproject.toml --extra postgresql \
		--override images/overrides.txt --output-file images/hub/requirements.lock
	cd images/pytorch-cuda && ../../$(BIN)/$(LOCK) --python-version 3.13 requirements-torch.in \
		--output-file requirements-torch.lock
	cd images/pytorch-cuda && ../../$(BIN)/$(LOCK) --python-version 3.13 requirements.in \
		--override ../overrides.txt --output-file requirements.lock
	$(BIN)/$(LOCK) --universal --python-version 3.11 tests/requirements.in \
		--override images/overrides.txt --output-file tests/requirements.lock
	cd images/proxy && PATH="$(CURDIR)/$(BIN):$$PATH" npm update --package-lock-only --ignore-scripts
	cd $(DESK) && PATH="$(CURDIR)/$(BIN):$$PATH" npm update --package-lock-only --ignore-scripts

translations: .venv/.stamp ## add new texts of the code to the catalogs, for a person to translate
	PYTHONPATH=spawner:tests $(BIN)/python -m harness.translations

clean: ## remove what was made here, and the tests' engine with its images
	@$(TEST_ENGINE) --stop --purge
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis docs/_build \
		$(EXTENSION)/node_modules $(DESK)/node_modules $(dir $(DESK_BUNDLE))
