SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help
help: ## List every target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# Everything the targets need lives in a virtual environment in the checkout; uv fills it from uv.lock.
$(READY): uv.lock pyproject.toml chaincode/pyproject.toml client/pyproject.toml network/pyproject.toml loadgen/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Commonwatt needs Python 3.11 or later; this is %s. Name another with PYTHON=/path/to/python3." % sys.version.split()[0])'
	@if command -v uv >/dev/null 2>&1; then \
	    uv sync --quiet --frozen --python $(PYTHON); \
	else \
	    { test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: install python3-venv"; exit 2; }; } && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9 && \
	    $(BIN)/uv sync --quiet --frozen --inexact; \
	fi
	@touch $@

.PHONY: lint
lint: $(READY) ## Check format, lint rules, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: $(READY) ## Run every test this machine can run
	$(BIN)/pytest
