SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PARTS := chaincode client network audit community loadgen

.PHONY: help
help: ## List every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# uv trusts the certificate authorities that this machine trusts, as pip does: behind a company's proxy too.
export UV_SYSTEM_CERTS ?= true

# Everything the targets need lives in a virtual environment in the checkout; uv fills it from uv.lock.
$(READY): uv.lock pyproject.toml $(PARTS:=/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Commonwatt needs Python 3.11 or later; this is %s. Name another with PYTHON=/path/to/python3." % sys.version.split()[0])'
	@echo "making the environment in $(VENV), with every library: a minute or two"
	@if command -v uv >/dev/null 2>&1; then \
	    uv sync --frozen --python $(PYTHON); \
	else \
	    { test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install python3-venv"; exit 2; }; } && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 && \
	    $(BIN)/uv sync --frozen --inexact; \
	fi
	@touch $@

# The commands read variables whose names begin with COMMONWATT_; make takes them by short names, such as HOMES=20.
SHORT := ASK_STATUS BATCH BATCHES BATTERY BUDGET COMMUNITIES CONNECTIONS DASK DAYS DISUTILITY DURATION ERRORS \
    FORECAST HOMES IN_FLIGHT IN_PROCESS LIVE_PORT MARKET NOISE P95 PERIOD PRICING PV RATE SCENARIO SEED SHARE SHARING \
    SPILL STORAGE STORAGE_FROM_GRID STRICT TOPOLOGY TRACES TRACE_COLUMNS TRACE_DAY TRACE_LAYOUT TRACE_METERS TRACE_ZONE \
    UI UI_PORT WATCH_PORT WORKERS
$(foreach name,$(SHORT),$(if $(filter undefined,$(origin $(name))),,$(eval export COMMONWATT_$(name) := $($(name)))))
ifdef NETWORK
export COMMONWATT_BACKEND := $(NETWORK)
endif

LIVE := .commonwatt-live

.PHONY: live
live: $(READY) ## See a community live: a network of its own, operator, service, 20 homes, and the portal's address
	@COMMONWATT_DIRECTORY=$(LIVE) COMMONWATT_TOPOLOGY=live $(BIN)/commonwatt network up
	@COMMONWATT_DIRECTORY=$(LIVE) $(BIN)/commonwatt live

.PHONY: live-down
live-down: $(READY) ## Stop the network of `make live`; its ledgers stay
	@COMMONWATT_DIRECTORY=$(LIVE) $(BIN)/commonwatt network down

.PHONY: network-up
network-up: $(READY) ## Start the network and wait until a transaction works (NETWORK=native: real Fabric)
	@$(BIN)/commonwatt network up

.PHONY: network-down
network-down: $(READY) ## Stop the network; its ledgers stay
	@$(BIN)/commonwatt network down

.PHONY: network-status
network-status: $(READY) ## Show every process, and every peer's height
	@$(BIN)/commonwatt network status

.PHONY: network-reset
network-reset: $(READY) ## Stop the network and delete its ledgers and keys (YES=1: real Fabric's without asking)
	@$(BIN)/commonwatt network reset $(if $(filter command,$(firstword $(origin YES))),--yes)

.PHONY: watch
watch: $(READY) ## Show the network that is up live on a page (WATCH_PORT=9480)
	@$(BIN)/commonwatt watch

.PHONY: plan
plan: $(READY) ## Say in words how the running network differs from TOPOLOGY=file.yaml
	@$(BIN)/commonwatt plan

.PHONY: apply
apply: $(READY) ## Change the running network to TOPOLOGY=file.yaml while trade goes on
	@$(BIN)/commonwatt apply

.PHONY: simulate
simulate: $(READY) ## Trade a day on the network that is up, and write out/simulate/report.html
	@$(BIN)/commonwatt simulate

.PHONY: paper
paper: $(READY) ## Repeat the paper's experiments in-process, and write out/paper/report.html
	@$(BIN)/commonwatt paper

.PHONY: load
load: $(READY) ## Load the network that is up with transactions, and write out/load/report.html
	@$(BIN)/commonwatt load

.PHONY: load-max
load-max: $(READY) ## Find the highest rate that keeps its thresholds
	@$(BIN)/commonwatt load-max

.PHONY: fabric
fabric: $(READY) ## Download Hyperledger Fabric's programs for NETWORK=native
	@$(BIN)/commonwatt fabric

.PHONY: doctor
doctor: $(READY) ## Say what this machine can run, and what is missing
	@$(BIN)/commonwatt doctor

.PHONY: bench
bench: $(READY) ## Measure and print the figures
	@$(BIN)/pytest tests/benchmarks -s -q --no-header --timeout=900

.PHONY: sync
sync: $(READY) ## Write the client's synchronous half and its tests from the asynchronous half
	$(BIN)/python tools/write_sync.py

.PHONY: lint
lint: $(READY) ## Check format, lint rules, types, the direction of imports, declared dependencies, the synchronous client and the prose
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/write_sync.py --check
	$(BIN)/python tools/check_prose.py
	@for part in $(PARTS); do (cd $$part && ../$(BIN)/deptry . ) || exit 1; done

# Files are dealt out in the order of testpaths, long ones first, so that no worker ends with one alone.
PYTEST = $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# `test-again` has to know a run that broke off: its later tests did not run, and are not among the failed ones.
keeping_code = $(1); code=$$?; mkdir -p .pytest_cache; echo $$code > .pytest_cache/exit-code; exit $$code

.PHONY: test
test: $(READY) ## Run every test that this machine can run, but for the long ones (at most 10 minutes)
	$(call keeping_code,$(PYTEST) -m "not long and not pilot")

# Many of these wait for a market's minutes: three at once keep two cores busy.
.PHONY: test-long
test-long: $(READY) ## Run the tests marked `long`: fuzzing, kill cycles, whole consortia
	$(call keeping_code,$(PYTEST) -n 3 -m long --timeout=1800)

.PHONY: test-again
test-again: $(READY) ## Run the files with tests that failed last once more, one after the other (MARKS: which tests of them)
	$(BIN)/python tools/test_again.py "$(or $(MARKS),not pilot)"

.PHONY: unit
unit: $(READY) ## Run the unit tests alone (at most a minute)
	$(PYTEST) -m "not long and not pilot" tests/unit

.PHONY: coverage
coverage: $(READY) ## Measure what the unit tests run of each part
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile -m "not long" tests/unit $(PARTS:%=--cov=commonwatt_%) --cov-report=term:skip-covered
	@for part in $(PARTS); do echo "$$part: $$($(BIN)/coverage report --format=total --include="$$part/*") %"; done

SITE := out/site

.PHONY: docs
docs: $(READY) ## Build the documentation as a site into out/site, and check its menu, links and anchors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir $(SITE)
	@$(BIN)/python tools/check_site.py $(SITE)

# uv made the environment: the machine's own, or the one that was installed into it.
UV = $(shell command -v uv || echo $(abspath $(BIN))/uv)
LOCKED = export --quiet --frozen --no-dev

.PHONY: chaincode-lock
chaincode-lock: $(READY) ## Write what the contract's image installs, from uv.lock into chaincode/requirements.txt
	@cd chaincode && $(UV) $(LOCKED) --no-emit-project --output-file requirements.txt

.PHONY: chaincode-sbom
chaincode-sbom: $(READY) ## Say what the contract's image holds of Python, as CycloneDX in out/commonwatt-chaincode.cdx.json
	@mkdir -p out && cd chaincode && $(UV) $(LOCKED) --format cyclonedx1.5 --output-file ../out/commonwatt-chaincode.cdx.json

.PHONY: release
release: $(READY) ## Build and check the version that pyproject.toml states, twice alike, with its bill of materials
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/release.py make
