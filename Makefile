# The project's commands. `make run` and `make test` set everything up on a machine with Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help install install-spark run dev test test-spark lint format bench bench-spark screenshots lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# `--no-deps`: the locks are complete, so pip resolves nothing.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

# Installed once, and again only when the lock changes.
$(BIN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("song-genres needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Name another: make $(MAKECMDGOALS) PYTHON=python3.12") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@echo "Installing into .venv (once; a few minutes) …"
	@$(PYTHON) -m venv .venv
	@$(PIP_INSTALL) --require-hashes --requirement requirements.lock
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

install: $(BIN)/.installed  ## Create .venv and install what requirements.lock names

# Spark is 490 MB: into the same .venv, and only for those who ask for it.
$(BIN)/.installed-spark: $(BIN)/.installed requirements-spark.lock
	@echo "Installing Spark into .venv (once; a minute or two) …"
	@$(PIP_INSTALL) --no-build-isolation --require-hashes --requirement requirements-spark.lock
	@touch $@

install-spark: $(BIN)/.installed-spark  ## Add what requirements-spark.lock names, for dbt's target spark (needs Java 17 or 21)

# INPUT reaches the shell through the environment, never as text of a command, and as it was typed: a name may hold
# quotes, spaces and dollar signs. `override` and `value` keep make from taking a $ in it for a variable of its own.
override INPUT := $(value INPUT)
export INPUT

run: install  ## The main job; INPUT=file.csv for your own dump, INPUT=tidytuesday for a published one
	@$(BIN)/song-genres run $${INPUT:+--input="$$INPUT"}

dev: install  ## Dagster's web interface
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dagster dev

# Three workers on two cores, since many tests wait for servers; a file stays on one, which makes its fixtures once.
# Files go out in order: by size, as xdist would have it, those of few and long tests would be left for the end.
test: install  ## All tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder

# One process and one session of Spark for all of them.
test-spark: install-spark  ## The tests of the dbt project on Spark
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q tests/spark

lint: install  ## ruff, mypy and sqlfluff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sqlfluff lint --processes 1 dbt_project

format: install  ## Let ruff and sqlfluff put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sqlfluff fix --processes 1 dbt_project

bench: install  ## Speed, memory and cost, side by side
	@$(BIN)/python -m tests.benchmarks $(BENCH)

bench-spark: install-spark  ## dbt on Spark beside DuckDB: time, memory, bytes shuffled
	@$(BIN)/python -m tests.benchmarks spark

screenshots: install  ## Pictures of the report for the README (needs chromium, and make run first)
	@$(BIN)/python -m tests.screenshots

LOCK := --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11

lock:  ## Resolve requirements.lock and requirements-spark.lock anew (needs uv)
	uv pip compile $(LOCK) --extra dev pyproject.toml --output-file requirements.lock
	uv pip compile $(LOCK) --extra spark --constraint requirements.lock pyproject.toml --output-file requirements-spark.lock

clean:  ## Remove what runs and builds made, but not data/
	rm -rf target logs reports .pytest_cache .mypy_cache .ruff_cache .tmp_dagster_home_*
