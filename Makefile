# Needs Python >= 3.11 and make; everything else is installed into .venv by the targets that need it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

PAGE := kosha_connector_openai/gateway/pages/studio/index.html

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# All packages are the ones in the lock, by their digests. `make LOCK= ...` takes the newest that pyproject.toml allows instead.
LOCK ?= locks/dev.txt

.PHONY: demo test check fix quality bench soak e2e client-suite spec drift studio studio-test build lock floors clean

demo: $(STAMP)  ## set up, then run actions end to end against the offline sandbox, or the configured server if a key is set
	@$(BIN)/python -m tools.demo

test: $(STAMP)  ## the test suite
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal

check: $(STAMP)  ## format, lint, types, import contracts, generated files; CI runs the tests first
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive kosha_connector_openai hatch_build.py
	@$(BIN)/python -m tools.docs --check

fix: $(STAMP)  ## write what can be fixed by machine
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m tools.docs

quality: $(STAMP)  ## how well each action is described: label, help, sample, output, errors, test; 1 where the core set is not at 100
	@$(BIN)/python -m tools.quality

bench: $(VENV)/.bench  ## the promises about speed, peers in the same run
	@$(BIN)/python -m benchmarks

soak: $(STAMP)  ## five minutes of mixed load with changing keys and restarts, then hostile clients, then overload, then a bulk run killed 200 times; SOAK="--minutes 120 --overload 60" for the long one
	@$(BIN)/python -m benchmarks.soak $(SOAK)
	@$(BIN)/python -m pytest -q -s -m "slow or e2e" tests/unit/flows/bulk/test_kills.py tests/unit/flows/bulk/test_batches.py

e2e: $(VENV)/.e2e $(VENV)/servers/.installed $(VENV)/frameworks/.installed $(VENV)/.browser $(PAGE)  ## longer checks: a real secret server, compatible servers, Node, schemathesis, a browser, the full tenant run
	@$(BIN)/python -m pytest -q -m "e2e or not e2e" tests/integration tests/unit/core/connection tests/browser
	@$(BIN)/python -m pytest -q -m "slow or e2e" tests/contract tests/packaging tests/property tests/threats tests/tools tests/unit

client-suite: $(STAMP)  ## the vendor's own client's test suite against the sandbox, directly and through the gateway; SUITE="--sample 300"
	@$(BIN)/python -m tools.client_suite $(SUITE)

spec: $(STAMP)  ## openapi.json from a description and a client: make spec FROM=path/to/openapi.json [CLIENT=openai==3.57.0]
	@test -n "$(FROM)" || { echo "Say which source: make spec FROM=path/to/openapi.json [CLIENT=openai==3.57.0], or FROM=openai==3.57.0"; exit 2; }
	@$(BIN)/python -m tools.spec --from "$(FROM)" $(if $(CLIENT),"$(CLIENT)"); status=$$?; \
	  $(BIN)/python -m tools.pin && $(BIN)/python -m tools.docs && exit $$status  # what could be read is written all the same

drift: $(STAMP)  ## what the newest client says that ours does not; DRIFT="--base openai==3.53.0 --description path/to/openapi.json"
	@$(BIN)/python -m tools.drift $(DRIFT)

sweep: $(STAMP)  ## every operation of other people's descriptions against an independent reader: make sweep DIR=path/to/folders
	@test -n "$(DIR)" || { echo "Say which folder: make sweep DIR=path/to/descriptions"; exit 2; }
	@$(BIN)/python -m tools.sweep "$(DIR)"

studio: $(PAGE)  ## the studio's page, built into the package; Node is the one on the PATH, or that of a Python package

$(PAGE): $(STAMP) $(shell find studio -path studio/node_modules -prune -o -path studio/out -prune -o -type f -print 2>/dev/null)
	@$(BIN)/python -m tools.studio build

studio-test: $(STAMP)  ## the tests of the studio's editing logic, with Node's own runner
	@$(BIN)/python -m tools.studio test

build: $(STAMP) $(PAGE)  ## wheel and sdist in dist/, the studio's page in both
	@$(BIN)/python -m build --outdir dist .

lock: $(VENV)/lock/bin/uv  ## locks/*.txt anew: the newest packages that pyproject.toml allows, with their digests
	@$(BIN)/python -m tools.lock $(VENV)/lock/bin/uv

floors: $(STAMP)  ## the unit tests with the lowest versions that pyproject.toml allows, in an environment of its own
	@$(BIN)/python -m tools.floors $(VENV)/floors

clean:  ## remove what the targets made
	rm -rf $(VENV) tests/browser/node_modules studio/node_modules studio/out $(dir $(PAGE)) dist build out .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if test -n "$(LOCK)"; then $(PIP) --require-hashes -r $(LOCK) && $(PIP) --no-deps --no-build-isolation -e .; else $(PIP) -e ".[dev]"; fi
	@touch $@

$(VENV)/lock/bin/uv: $(STAMP)
	@test -x $(VENV)/lock/bin/python || $(PYTHON) -m venv $(VENV)/lock
	@$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"

$(VENV)/.e2e: $(STAMP) tests/integration/requirements.txt tests/integration/node/package.json tests/integration/arazzo_linters/package.json
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/integration/requirements.txt
	@if command -v npm >/dev/null; then for folder in node arazzo_linters; do \
	  npm --prefix tests/integration/$$folder install --no-package-lock --no-audit --no-fund --silent || exit 1; done; fi
	@touch $@

$(VENV)/servers/.installed: $(STAMP) tests/integration/servers/requirements.txt  # of their own: gateways pin what we use too
	@test -x $(VENV)/servers/bin/python || $(PYTHON) -m venv $(VENV)/servers
	@$(VENV)/servers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/integration/servers/requirements.txt
	@touch $@

$(VENV)/frameworks/.installed: $(STAMP) tests/integration/frameworks/requirements.txt  # they pin the client and pydantic
	@test -x $(VENV)/frameworks/bin/python || $(PYTHON) -m venv $(VENV)/frameworks
	@$(VENV)/frameworks/bin/python -m pip install --quiet --disable-pip-version-check -r tests/integration/frameworks/requirements.txt
	@touch $@

$(VENV)/.browser: $(STAMP) tests/browser/package.json tests/browser/node_red/package.json
	@if command -v npm >/dev/null; then for place in tests/browser tests/browser/node_red; do npm --prefix $$place install --silent --no-audit --no-fund --no-package-lock; done; else echo "No npm: the browser tests are skipped."; fi
	@touch $@

$(VENV)/.bench: $(STAMP) benchmarks/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@
