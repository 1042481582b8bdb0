# The project's commands. `make run` and `make test` set everything up on a machine with Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help install install-dev install-spark run dev serve test test-full test-spark proof lint evaluate format bench bench-spark screenshots docs-cli docs-files lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# pip brings uv into .venv, and uv installs what the locks name, by its hashes. UV=no: pip does all of it.
UV ?= yes
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
# Where Python may not write bytecode later, it is written now: otherwise each process would compile all that it imports.
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

# $(call install_with,OPTIONS): install with uv; where it cannot be had, or cannot reach what pip can, with pip.
install_with = { [ "$(UV)" != no ] && [ -x $(BIN)/uv ] && $(UV_INSTALL) $(1); } || \
	{ echo "Without uv: pip installs, which takes a few minutes …"; $(PIP_INSTALL) $(1); }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("song-genres needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Name another: make $(MAKECMDGOALS) PYTHON=python3.12") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@$(PYTHON) -m venv .venv

$(BIN)/uv: requirements-uv.lock | $(BIN)/python
	@$(PIP_INSTALL) --only-binary :all: --require-hashes --requirement requirements-uv.lock
	@touch $@

# Installed once, and again only when the lock changes.
$(BIN)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing into .venv (once) …"
	@[ "$(UV)" = no ] || $(MAKE) --no-print-directory $(BIN)/uv || true
	@$(call install_with,--require-hashes --requirement requirements.lock)
	@$(call install_with,--no-build-isolation --editable .)
	@touch $@

install: $(BIN)/.installed  ## Create .venv and install what `make run` needs (requirements.lock)

$(BIN)/.installed-dev: $(BIN)/.installed requirements-dev.lock
	@echo "Installing linters and test tools into .venv (once) …"
	@$(call install_with,--require-hashes --requirement requirements-dev.lock)
	@touch $@

install-dev: $(BIN)/.installed-dev  ## Add linters, type stubs and test tools (requirements-dev.lock)

# Spark is 490 MB: into the same .venv, and only for those who ask for it.
$(BIN)/.installed-spark: $(BIN)/.installed requirements-spark.lock
	@echo "Installing Spark into .venv (once) …"
	@$(call install_with,--no-build-isolation --require-hashes --requirement requirements-spark.lock)
	@touch $@

install-spark: $(BIN)/.installed-spark  ## Add dbt's target spark (requirements-spark.lock; needs Java 17 or 21)

# These reach the shell through the environment, never as text of a command, and as they were typed: a name may hold
# quotes, spaces and dollar signs. `override` and `value` keep make from taking a $ in it for a variable of its own.
override INPUT := $(value INPUT)
override MAP := $(value MAP)
override UNIT := $(value UNIT)
export INPUT MAP UNIT

run: install  ## The main job; INPUT=songs.csv for your own file (with MAP=field=column where it needs that), or a dump's name
	@$(BIN)/song-genres run $${INPUT:+--input="$$INPUT"} $${MAP:+--map="$$MAP"} $${UNIT:+--unit="$$UNIT"} \
		$${ALL_GENRES:+--all-genres} $${MERGE_GENRES:+--merge-genres}

dev: install  ## Dagster's web interface
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dagster dev

serve: install  ## A page on this machine to try a song: search, knobs, a file of your own
	@$(BIN)/song-genres serve

# Three workers on two cores, since many tests wait for servers; a file stays on one, which makes its fixtures once.
# Files go out in order: by size, as xdist would have it, those of few and long tests would be left for the end.
TEST = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder

test: install-dev  ## The tests, each behaviour once
	@$(TEST) -m "not full"

test-full: install-dev  ## All tests: whole runs, the largest catalogues and repetitions too (CI runs these)
	@$(TEST)

# One process and one session of Spark for all of them.
test-spark: install-dev install-spark  ## The tests of the dbt project on Spark
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest -q tests/spark

# What proves the tests: hours, so CI tries a sample of each (docs/testing.md).
proof: install-dev  ## Generated documents, mutants of the dbt project, failing system calls; PROOF="mutants" for one
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.proof $(PROOF)

lint: install-dev  ## ruff, mypy, deptry, sqlfluff and dbt-bouncer
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@NO_COLOR=1 $(BIN)/deptry .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sqlfluff lint --processes 1 dbt_project
	@$(BIN)/dbt --quiet parse --target memory --target-path target/lint --log-path target/lint
	@$(BIN)/dbt-bouncer run

# Its packages come from dbt's hub, or from the folder that DBT_PACKAGES names; they stay in target/.
evaluate: install-dev  ## What dbt-project-evaluator says of the dbt project (needs a network); nothing is as it should be
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/evaluate

format: install-dev  ## Let ruff and sqlfluff put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/sqlfluff fix --processes 1 dbt_project

bench: install-dev  ## Speed, memory and cost, side by side
	@$(BIN)/python -m tests.benchmarks $(BENCH)

bench-spark: install-dev install-spark  ## dbt on Spark beside DuckDB: time, memory, bytes shuffled
	@$(BIN)/python -m tests.benchmarks spark

screenshots: install-dev  ## Pictures of the report and the page for the README (needs chromium, and make run first)
	@$(BIN)/python -m tests.screenshots

docs-cli: install  ## Write docs/cli.md anew: the reference of the console commands
	@$(BIN)/typer orchestration.cli utils docs --name song-genres --title "The console commands" \
		| sed "s/&#x27;/'/g" >docs/cli.md

docs-files: install  ## Write docs/files.md anew: what is recognised in song files
	@$(BIN)/python -m extract.song_files.page >docs/files.md

# The tools' lock comes first, since it is the narrowest: what runs is then of the same versions as what was tested.
LOCK := $(BIN)/uv pip compile --quiet --no-config --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock"

lock: $(BIN)/uv  ## Resolve the locks anew; what they name stays as it is where it still fits (UPGRADE=1: the newest)
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra dev pyproject.toml --output-file requirements-dev.lock
	$(LOCK) $(if $(UPGRADE),--upgrade) --constraint requirements-dev.lock pyproject.toml --output-file requirements.lock
	$(LOCK) $(if $(UPGRADE),--upgrade) --extra spark --constraint requirements-dev.lock pyproject.toml --output-file requirements-spark.lock
	echo uv | $(LOCK) $(if $(UPGRADE),--upgrade) - --output-file requirements-uv.lock

clean:  ## Remove what runs and builds made, but not data/
	rm -rf target logs reports .pytest_cache .mypy_cache .ruff_cache .tmp_dagster_home_*
