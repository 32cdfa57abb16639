# The two commands of a fresh clone: `make demo` and `make test`.
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

.PHONY: env demo test lint format bench clean

env: $(VENV)/.made

$(VENV)/.made: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: env
	$(BIN)/nbops demo --dir $(DEMO_DIR)

test: env
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: env
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO_DIR) dist build .pytest_cache .mypy_cache .ruff_cache
