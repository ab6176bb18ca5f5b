# The whole interface of this repository: `make help` lists it. Each target sets itself up in $(VENV), from the locks alone.

PYTHON ?= python3
VENV ?= .venv
ifeq ($(origin VENV),file)
ifneq ($(PYTHON),python3)  # another interpreter gets an environment of its own
VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
endif
endif

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

# What became of the tests of each promise, where all of them run.
PROMISES := $(if $(ARGS),,--promises=build/promises.json)

# The pyright wheel asks PyPI for a newer release at each run, unless told not to.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-long guarantees check mutation docs bench bench-quick screenshots lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PYTHON=python3.13 chooses the interpreter (3.11 or newer), ARGS='-k conflict' is handed on to pytest."

demo: $(VENV)/.demo ## a small shop on a real store, in under a minute
	@$(BIN)/refold demo --at .

test: $(VENV)/.dev ## the whole test suite, with the layers and the typing tests
	@$(BIN)/pytest -n 2 $(PROMISES) $(ARGS)

test-long: $(VENV)/.dev ## the test suite with the long tests too
	@$(BIN)/pytest -n 2 -m "long or not long" $(PROMISES) $(ARGS)

guarantees: $(VENV)/.dev ## the table of promises in docs/reference, from what the last whole `make test` came to
	@$(BIN)/python -m tests.guarantees.table

check: $(VENV)/.dev ## linter, formatter, mypy, pyright, layers, typing tests
	@$(MAKE) --no-print-directory --jobs=2 $(CHECKS)

CHECKS := check-pyright check-mypy check-ruff check-format check-layers check-typing
.PHONY: $(CHECKS)

check-pyright:
	$(BIN)/pyright --pythonpath $(BIN)/python

check-mypy:
	$(BIN)/mypy

check-ruff:
	$(BIN)/ruff check

check-format:
	$(BIN)/ruff format --check

check-layers:
	$(BIN)/lint-imports --no-logo --no-cache

check-typing:
	$(BIN)/pytest tests/typing

mutation: $(VENV)/.mutation ## change core and flows in thousands of places, one at a time: a test must notice; ARGS="fold query" for some rooms
	@$(BIN)/python -m tests.mutation $(ARGS)

docs: $(VENV)/.dev ## the documentation as a site in build/site, and every snippet of it run
	@$(BIN)/python -m tests.docs.site
	@$(BIN)/pytest tests/docs $(ARGS)

bench: $(VENV)/.dev ## the benchmarks, beside raw limits and other libraries; ARGS=--long for 10M events
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/.dev ## the same in a few minutes, smaller
	@$(BIN)/python -m benchmarks --quick $(ARGS)

screenshots: $(VENV)/.dev ## take the pictures of the Studio in docs/pictures anew, in Chromium
	@$(BIN)/python -m tests.studio.pictures

lock: ## write requirements/*.txt anew from pyproject.toml and requirements/*.in (needs uv)
	$(LOCK) --upgrade pyproject.toml requirements/run.in -o requirements/run.txt
	$(LOCK) --upgrade pyproject.toml requirements/run.in requirements/dev.in -c requirements/run.txt -o requirements/dev.txt
	$(LOCK) --upgrade requirements/mutation.in -c requirements/dev.txt -o requirements/mutation.txt
	for peer in benchmarks/peers/*.in; do $(LOCK) --upgrade $$peer -o $${peer%.in}.txt || exit 1; done

clean: ## remove the environments and all caches
	@rm -rf .venv .venv-* .bench build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. A stamp is older than its lock when the lock has changed; then, and only then, is the environment filled anew.
# No build isolation: the build backend is in the lock, so nothing is fetched beyond it.

$(VENV)/.demo: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) for the demo, from requirements/run.txt ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) for development, from requirements/dev.txt ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo  # all that the demo needs is in this lock too

$(VENV)/.mutation: requirements/mutation.txt $(VENV)/.dev
	@$(PIP) install --require-hashes -r requirements/mutation.txt
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Refold needs Python 3.11 or newer; '$(PYTHON)' is not there. Name another: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Refold needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
