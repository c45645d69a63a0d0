# One word per action. Everything but `clean` first does whatever set-up is missing.
PORT ?= 7071
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AZURITE := local/node_modules/.ready
ARGS ?=
EXAMPLES ?= 500
DURATION ?= 300
SEED := $(or $(SEED),$(shell date +%s))

.DEFAULT_GOAL := help
.PHONY: help setup chromium start emulators demo test test-browser screenshots coverage fuzz year bench load \
	openapi check format lock clean

help: ## list the actions
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) $(AZURITE) ## install what is missing, start nothing

$(READY): requirements-dev.txt
	@echo "Installing Python packages into $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(AZURITE): local/package.json local/package-lock.json
	@echo "Installing the storage emulator (Azurite) and the language of the alerts' queries …"
	@cd local && npm ci --silent --no-progress
	@touch $@

start: setup ## run the product on this machine (PORT=7071; Ctrl-C ends it)
	@exec $(BIN)/python -m local.start --port '$(PORT)'

emulators: setup ## run all but the functions host, for `func start`
	@exec $(BIN)/python -m local.start --port '$(PORT)' --emulators-only

demo: PORT = 7271
demo: setup ## show the main job over real HTTP, then end
	@exec $(BIN)/python -m local.demo --port '$(PORT)'

test: setup ## run every test but those in a browser (ARGS="-k word" for some)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --ignore tests/browser $(ARGS)

test-browser: setup chromium ## run the tests of the pages in headless Chromium
	@$(BIN)/python -m pytest tests/browser $(ARGS)

screenshots: setup chromium ## the same, and keep a picture of each page in docs/images
	@mkdir -p docs/images
	@SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/browser $(ARGS)

chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "Installing Debian's Chromium …" && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
		{ echo "Chromium is missing. Install it as root: apt-get install chromium"; exit 1; }

coverage: setup ## run every test but those in a browser, and report which branches it took
	@$(BIN)/python -m pytest --ignore tests/browser --cov --cov-report=term $(ARGS)

fuzz: setup ## send the API many random requests (SEED=, EXAMPLES=500 per route)
	@SCHEMATHESIS_SEED=$(SEED) SCHEMATHESIS_EXAMPLES=$(EXAMPLES) \
		$(BIN)/python -m pytest tests/e2e/test_openapi_conformance.py $(ARGS) || { echo "again: make fuzz SEED=$(SEED)"; exit 1; }

year: setup ## live through a year with 1,000 grants, on a clock of its own (some minutes)
	@YEAR_CONNECTIONS=1000 $(BIN)/python -m pytest tests/unit/services/test_keeping_alive.py -k year $(ARGS)

bench: setup ## measure the product against its floor, some 20 minutes (ARGS="--only create", ARGS=--quick)
	@$(BIN)/python -m bench $(ARGS)

load: PORT = 7371
load: setup ## send traffic while upstream calls fail and the host is killed, then check everything (DURATION=300)
	@exec $(BIN)/python -m bench.load --port '$(PORT)' --seconds '$(DURATION)' --seed '$(SEED)'

openapi: setup ## write docs/openapi.json anew from the code
	@$(BIN)/python -m local.openapi

check: setup ## format, lint and types
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: setup ## put the code into its one format
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

lock: setup ## make the pinned requirements anew from the ranges in pyproject.toml
	@$(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --strip-extras -o requirements.txt pyproject.toml
	@$(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-find-links --strip-extras --extra dev \
		-o requirements-dev.txt pyproject.toml

clean: ## remove everything that set-up and runs made, stored connections included
	@rm -rf $(VENV) local/node_modules .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
