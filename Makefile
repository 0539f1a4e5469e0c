# Sets up, trains, tests and measures; `make help` lists it all. Nothing needs to be activated.
#
#   make train PYTHON=/path/to/python3.12        another Python
#   make test COVERAGE=yes                       counts the lines that tests run, which takes longer
#   make train PIP_ARGS="--extra-index-url URL"  more arguments of pip, such as PyTorch's CPU builds

VENV     ?= .venv
PYTHON   ?= python3.13 python3.12 python3.11 python3
PIP_ARGS ?=
WORKERS  ?= 2
RUN      ?=
COVERAGE ?=

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS     := .bench/venv
COUNTED   := --cov --cov-report=term --cov-fail-under=95
LOWEST    := .lowest

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv train check test test-lowest lint format bench chaos clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

venv: $(INSTALLED)  ## set up .venv with everything, in the versions that were tested

train: $(INSTALLED)  ## set up, then train with the default recipe on the embedded data
	$(BIN)/digitlab train $(RUN)

check: lint  ## set up, then check as lint does, and run the tests of one process (two minutes)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not chaos and not process"

test: lint  ## set up, then check format, lint, types and house rules, and run all tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "not chaos" $(if $(COVERAGE),$(COUNTED))

# Packages that digitlab does not ask for itself are of today, so setuptools is, too.
test-lowest: PYTHON = python3.11
test-lowest:  ## try the lowest versions that pyproject.toml allows, in an environment of their own
	rm -rf $(LOWEST)
	$(call make_environment,$(LOWEST))
	$(LOWEST)/bin/python -m pip install $(PIP_ARGS) -U setuptools packaging pytest hypothesis
	$(LOWEST)/bin/python tests/lowest/bounds.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install $(PIP_ARGS) -c $(LOWEST)/constraints.txt .
	PYTHONPATH=tests $(LOWEST)/bin/python -m pytest --noconftest -p commands tests/lowest/test_base.py
	$(LOWEST)/bin/python -m pip install $(PIP_ARGS) -c $(LOWEST)/constraints.txt '.[train,heic]'
	$(LOWEST)/bin/python -m pip check
	$(LOWEST)/bin/python -m pytest tests/lowest
	$(LOWEST)/bin/python -m pytest tests/system/test_workers.py -k "no_bit or ddp or torchrun"

lint: $(INSTALLED)  ## set up, then check format, lint, types and house rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)  ## format the code, and fix what lint can fix by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED) $(PEERS)/.installed  ## measure speed, beside the peers in an environment of theirs
	$(BIN)/python benchmarks/run.py --peers $(PEERS)/bin/python

chaos: $(INSTALLED)  ## the long suites of injected faults (an hour or more)
	$(BIN)/python -m pytest -m chaos -s

clean:  ## remove the environments and all caches; runs/ stays
	rm -rf $(VENV) .bench $(LOWEST) .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
	    .pytest_cache .ruff_cache build dist
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Takes the first of the names in PYTHON that runs, is new enough and can make environments. A name
# that is there may still not run: version managers put such stand-ins on PATH.
define make_environment
	@set -e; found=; old=; bare=; \
	for name in $(PYTHON); do \
	    "$$name" -c '' 2>/dev/null || continue; \
	    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old="$$name"; continue; }; \
	    "$$name" -c 'import venv, ensurepip' 2>/dev/null || { bare="$$name"; continue; }; \
	    found="$$name"; break; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	    echo "make: $$bare has no venv or pip; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	elif [ -z "$$found" ] && [ -n "$$old" ]; then \
	    echo "make: $$old is $$("$$old" -V 2>&1); digitlab needs Python 3.11 or later; name one by PYTHON=/path/to/python" >&2; exit 1; \
	elif [ -z "$$found" ]; then \
	    echo "make: no Python found (tried: $(PYTHON)); install Python 3.11 or later, or name one by PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "setting up $(1) with $$("$$found" -V 2>&1)"; \
	"$$found" -m venv $(1)
endef

$(INSTALLED): pyproject.toml constraints.txt
	$(call make_environment,$(VENV))
	$(BIN)/python -m pip install $(PIP_ARGS) -c constraints.txt -e '.[test]'
	@touch $@

$(PEERS)/.installed: benchmarks/peers.txt
	$(call make_environment,$(PEERS))
	$(PEERS)/bin/python -m pip install $(PIP_ARGS) -r benchmarks/peers.txt
	@touch $@
