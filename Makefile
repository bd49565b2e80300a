# Everything a newcomer or CI needs; each target sets up what it uses. Only python3 (with venv) and make are assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: compare live soak help run dev test check format lock readme screenshots langgraph-dev bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

# A stamp per lock file: an environment is made once and brought up to date only when its lock changes.
# --no-deps: the lock is complete, and older pips take "name[extra]" of a locked package for one without a pin.
define environment
@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make $(or $(MAKECMDGOALS),run) PYTHON=python3.12" >&2; exit 1; }; \
	$(PYTHON) -m venv $(VENV); }
@echo "Installing what $< names into $(VENV) (once) ..."
@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r $<
endef

$(VENV)/.runtime: requirements.lock
	$(environment)
	@touch $@

$(VENV)/.dev: requirements-dev.lock
	$(environment)
	@touch $@ $(VENV)/.runtime

run: $(VENV)/.runtime  ## set up and start the server (the offline model when no key is set)
	@$(BIN)/python server.py --offline-without-key $(ARGS)

dev: $(VENV)/.runtime  ## the same, restarted on every change of a source file; threads are kept
	@$(BIN)/python server.py --offline-without-key --reload $(ARGS)

test: $(VENV)/.dev  ## set up and run every test, two at a time
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(VENV)/.dev  ## format, lint, types, import rules and bandit; runs no test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive threadkeep checkpoints graphs nodes server.py

format: $(VENV)/.dev  ## rewrite the sources in the house format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'

lock: $(VENV)/.dev  ## resolve pyproject.toml anew into the two lock files
	@$(LOCK) pyproject.toml --extra dev -o requirements-dev.lock $(UPGRADE)
	@$(LOCK) pyproject.toml -o requirements.lock -c requirements-dev.lock

readme: $(VENV)/.dev  ## run the README's examples again and write down what they answer
	@$(BIN)/python -m tests.readme_examples

screenshots: $(VENV)/.dev  ## take the pictures of the inspector anew (needs chromium)
	@$(BIN)/python -m tests.inspector.screenshots

langgraph-dev: $(VENV)/.dev  ## the same graphs under the official `langgraph dev`
	@DATA_DIR=./data-dev MODEL=$${MODEL:-offline} $(BIN)/langgraph dev --no-browser $(ARGS)

bench: bench-http  ## what the server costs over LangGraph itself; `make bench-NAME` runs bench/NAME.py

bench-%: $(VENV)/.dev
	@$(BIN)/python -m bench.$* $(ARGS)

compare: bench-compare  ## one set of tasks through the three graphs and a plain agent: correct, calls, tokens, seconds

live: bench-live  ## try the configured model endpoint (needs a key or a local server): a few small calls

soak: $(VENV)/.dev  ## the long sweeps: every crash point, many random kills, every property (an hour and more)
	@SOAK=1 $(BIN)/python -m pytest tests/runs/test_crash_points.py tests/runs/test_kill_soak.py tests/checkpoints \
		tests/graphs/test_search.py $(ARGS)

clean:  ## remove the environment and caches; data folders stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache
