# `make help` says what there is; a fresh clone begins with `make demo` and `make test`.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_DIR ?= demo
# The real data sets, where this checkout has them beside it; tests that need them skip loudly elsewhere.
ifneq ($(wildcard ../shared/data),)
export NBOPS_DATA_DIR ?= $(abspath ../shared/data)
endif
# Small models on small machines run many times slower with a thread pool of their own.
export OMP_NUM_THREADS ?= 1

# The front end's checks need npm, and its development tools (a minute once); its bundle is built by `make env` without.
FRONT := labextension
BUNDLE := src/nbops/labextension
FRONT_SOURCES := $(shell find $(FRONT)/src $(FRONT)/style $(FRONT)/schema -type f) $(FRONT)/package.json
define front
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(1); \
	elif [ "$$NBOPS_REQUIRE_ALL" = 1 ]; then echo "$(1): npm is missing and NBOPS_REQUIRE_ALL=1" >&2; exit 1; \
	else echo "SKIPPED, NOT CHECKED: $(1): npm is missing" >&2; fi
endef

.PHONY: help env demo test lint format bench soak scheduler-env airflow-env clean front-test front-lint front-format

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

env: $(VENV)/.made ## install nbops and its development tools into .venv

$(VENV)/.made: pyproject.toml $(FRONT_SOURCES)
	@echo "installing nbops and its development tools into $(VENV): some minutes the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@test -f $(BUNDLE)/package.json || echo "LEFT OUT: JupyterLab's side panel, as it could not be built (is the npm\
	 registry reachable?). All else works; 'make -B env' tries again." >&2
	@touch $@

# JupyterLab's own scheduler, in an environment of its own: it asks for an old croniter.
scheduler-env: .venv-scheduler/.made ## for the tests of JupyterLab's own scheduler

.venv-scheduler/.made: pyproject.toml
	test -x .venv-scheduler/bin/python || $(PYTHON) -m venv .venv-scheduler
	.venv-scheduler/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[jupyter-scheduler]'
	touch $@

# Airflow, in an environment of its own, as whoever uses it has it: it runs what 'nbops export airflow' writes.
AIRFLOW := tests/exchange/airflow-requirements.txt
airflow-env: .venv-airflow/.made ## for the tests of 'nbops export airflow'

.venv-airflow/.made: $(AIRFLOW)
	test -x .venv-airflow/bin/python || $(PYTHON) -m venv .venv-airflow
	.venv-airflow/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --requirement $(AIRFLOW)
	touch $@

demo: env ## two years of bike rentals, month by month, into demo/
	$(BIN)/nbops demo --dir $(DEMO_DIR)

test: env ## pytest, and vitest where there is npm
	$(call front,front-test)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

lint: env ## ruff, mypy; tsc, eslint, prettier, stylelint where there is npm
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(call front,front-lint)

format: env ## ruff's and prettier's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(call front,front-format)

$(FRONT)/node_modules/.made: $(FRONT)/package-lock.json
	cd $(FRONT) && npm ci --ignore-scripts
	touch $@

front-test: $(FRONT)/node_modules/.made
	cd $(FRONT) && npm test

front-lint: $(FRONT)/node_modules/.made
	cd $(FRONT) && npm run typecheck && npm run lint

front-format: $(FRONT)/node_modules/.made
	cd $(FRONT) && npm run format

bench: env ## the benchmarks of docs/benchmarks.md, some minutes
	$(BIN)/python -m benchmarks

soak: env ## kill -9 of workers: 10,000 times, or as many as N= says
	PYTHONPATH=tests $(BIN)/python tests/automation/soak.py --kills $(or $(N),10000)

clean: ## remove what these made
	rm -rf $(VENV) .venv-scheduler .venv-airflow $(DEMO_DIR) dist build .pytest_cache .mypy_cache .ruff_cache $(FRONT)/node_modules $(BUNDLE)
