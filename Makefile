# What a person runs by hand and what the automatic checks run: the same. `make` alone says what there is.
# Needs Python 3.11 or newer and make; everything else goes into .venv, from the hash-locked lists in requirements/.

.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
PYTEST_ARGS ?=
UPGRADE ?=
# Wheels only: setting up never needs a compiler. `make demo WHEELS=` builds what your platform has no wheel of.
WHEELS ?= --only-binary :all:
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	if $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then command -v $$each; break; fi; done)
INSTALL = $(BIN)/python -m pip --disable-pip-version-check --quiet install
LOCK = $(BIN)/uv pip compile --quiet --no-config --system-certs --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

BUILT := gateway/built/.ready
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print) schema/schema.graphql

.PHONY: help demo pages web test slow check lint types floors papers ledger typescript format lock clean python

help: ## Say what there is
	@echo "Sherwood: one patient view over every legacy system."
	@echo
	@sed -n 's/^\([a-z][a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(VENV)/.ready-base pages ## Start Michael's legacy systems and the gateway over them (PORT=8001 for another port)
	@$(BIN)/sherwood demo --port $(PORT)

web: $(BUILT) ## Build the pages (viewer, GraphiQL) from web/ with npm (Node 20.19 or newer)

test: $(VENV)/.ready-dev ## Run the tests (PYTEST_ARGS="-k allergy" for some of them)
	@$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

slow: $(VENV)/.ready-dev ## Run the long tests that `make test` leaves out
	@$(BIN)/python -m pytest -m slow $(PYTEST_ARGS) || { status=$$?; \
	if [ $$status -eq 5 ]; then echo "There is no long test."; else exit $$status; fi; }

check: lint types floors papers ledger typescript ## Check style, types, floors, the committed schema, papers and ledgers

lint: $(VENV)/.ready-dev ## Style alone (check)
	@echo "Style: ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "Not formatted as agreed: run make format"; exit 1; }

types: $(VENV)/.ready-dev ## Types alone (check)
	@echo "Types: mypy, strict"
	@$(BIN)/mypy

floors: $(VENV)/.ready-dev ## Who may import whom, alone (check)
	@echo "Floors: import-linter"
	@$(BIN)/lint-imports

papers: $(VENV)/.ready-dev ## The committed schema, names, sizes, reference pages and the hazard log, alone (check)
	@echo "The house: committed schema, names, sizes, reference pages, hazard log"
	@$(BIN)/python -m pytest tests/architecture

ledger: $(VENV)/.ready-dev ## The pointers of the hand-written ledgers, alone (check)
	@echo "Ledgers: each line against the raw data"
	@$(BIN)/python tests/ledger/check_pointers.py

typescript: ## Types of web/ alone, where npm is (check)
	@if ! command -v npm >/dev/null 2>&1; then echo "Types of web/: not looked at, npm is not here"; \
	else echo "Types of web/: tsc, strict"; cd web && { [ -d node_modules/typescript ] && \
		[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --loglevel=error; } && \
		npm run --silent check; fi

format: $(VENV)/.ready-dev ## Put the code into the agreed form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(BIN)/python ## Write requirements/ anew from pyproject.toml (UPGRADE=1 moves to the newest releases)
	@echo "Locking: requirements/dev.txt, base.txt, image.txt, build.txt"
	@$(INSTALL) uv==0.13.9
	@$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	@$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/base.txt
	@$(LOCK) pyproject.toml --all-extras -c requirements/dev.txt -o requirements/image.txt
	@$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt

clean: ## Remove .venv and everything that a run leaves behind
	@rm -rf $(VENV) gateway/built web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .sherwood build dist
	@find schema adapters gateway tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

pages: # The pages where they can be built; else what would have to be done. The gateway runs without them.
	@if ! command -v npm >/dev/null 2>&1; then \
		echo "npm is not here, so the viewer is not built: / leads to a plain explorer instead."; \
		echo "For the viewer and GraphiQL install Node 20.19 or newer (Debian: apt install nodejs npm), then run this again."; \
	else $(MAKE) --no-print-directory web || { rm -f $(BUILT); \
		echo "The pages could not be built (above): / leads to a plain explorer instead."; }; fi

$(BUILT): $(WEB_SOURCES)
	@echo "Building the pages from web/ (half a minute the first time)"
	@cd web && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --omit=dev --loglevel=error; }
	@cd web && npm run --silent build -- --logLevel warn
	@touch $@

python: # The interpreter that setting up would use; nothing when there is none.
	@echo "$(PYTHON)"

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Sherwood needs Python 3.11 or newer, and there is none on the PATH."; \
		echo "Install it, or name it: make demo PYTHON=/path/to/python3.11"; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Sherwood needs Python 3.11 or newer; $(PYTHON) is: $$("$(PYTHON)" --version 2>&1)"; exit 1; }
	@echo "Setting up $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.ready-base: requirements/base.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Sherwood runs on (requirements/base.txt; half a minute the first time)"
	@$(INSTALL) $(WHEELS) --require-hashes -r requirements/base.txt -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Sherwood is tested with (requirements/dev.txt; half a minute the first time)"
	@$(INSTALL) $(WHEELS) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
