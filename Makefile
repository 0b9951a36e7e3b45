# The one front door: `make help` lists what there is. Continuous integration calls the same targets.
#
# PYTHON makes the virtual environment, VENV is its folder. Another version beside the usual one:
#     make test PYTHON=python3.13 VENV=.venv-3.13
# DRIVER is what the tests, Django's suite and the measurements use: psycopg2, if it is not set, or psycopg3.

VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)

# Prints the first Python that is new enough.
FIND_PYTHON := for python in $(PYTHONS); do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo $$python; exit; \
	fi; \
	done; \
	echo 'Python 3.11 or newer is needed, tried: $(PYTHONS). Say make ... PYTHON=/path/to/python3' >&2; exit 1

# What is installed, with extras: the sources, or a wheel of them.
WHEEL :=
EXTRAS := demo,test,dev
project = $(if $(WHEEL),'$(WHEEL)[$(1)]',--editable '.[$(1)]')
# Where the wheel is tested.
AWAY := .cache/away

PYTEST = set -a; urls=$$($(RUN) -m tools.postgres standby) && eval "$$urls" && $(RUN) -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-citus chaos browser apps lint format types docs bench django-suite mutants pg pg-stop build test-wheel clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## set up everything, serve three tenants, show what each one sees
	@$(RUN) -m example_project.demo $(DEMO_ARGS)

serve: $(READY)  ## serve the example project to click through
	@$(RUN) -m example_project.serve $(SERVE_ARGS)

test: $(READY)  ## run the tests; PYTEST_ARGS='-k alias' chooses
	@$(PYTEST) $(PYTEST_ARGS)

test-citus: $(READY)  ## run what matters there on a Citus cluster, by the URL of its coordinator in CITUS_URL
	@test -n "$$CITUS_URL" || { echo 'CITUS_URL is not set: it is the URL of a database with the extension citus on the' \
		'coordinator of a cluster with at least one worker, whose nodes this machine reaches as the coordinator does.' >&2; \
		exit 1; }
	@$(PYTEST) -m "citus and not long" $(PYTEST_ARGS)

chaos: $(READY)  ## run the long tests: every statement killed, a million rows moved under load
	@$(PYTEST) -m long $(PYTEST_ARGS)

browser: $(VENV)/.ready-browser  ## let the tests use a real browser too; Chromium itself you install

apps: $(VENV)/.ready-apps  ## let the tests use other people's apps too

lint: $(READY)  ## check style and format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

format: $(READY)  ## repair style and format
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

types: $(READY)  ## check types
	@$(RUN) -m mypy
	@$(VENV)/bin/basedpyright --pythonpath $(RUN)

docs: $(VENV)/.ready-docs  ## build the documentation into site/
	@if test -f mkdocs.yml; then $(VENV)/bin/zensical build --strict; else echo 'no mkdocs.yml: nothing to build'; fi

bench: $(VENV)/.ready-bench  ## measure; BENCH_ARGS chooses
	@$(RUN) -m benchmarks $(BENCH_ARGS)

django-suite: $(READY)  ## run Django's own tests on the backend; SUITE_ARGS chooses
	@$(RUN) -m tests.django_suite $(SUITE_ARGS)

mutants: $(READY)  ## see that tests notice each change of the guards; MUTANTS_ARGS chooses
	@$(RUN) -m tests.mutation $(MUTANTS_ARGS)

pg: $(READY)  ## start the development PostgreSQL and print its URLs
	@$(RUN) -m tools.postgres url

pg-stop:  ## stop the development PostgreSQL
	@python=$$($(FIND_PYTHON)) && $$python -m tools.postgres stop

build: $(READY)  ## build the distribution into dist/
	@rm -rf dist
	@$(RUN) -m build

test-wheel: build  ## run the tests against the wheel, in a folder without the sources
	@rm -rf $(AWAY) && mkdir -p $(AWAY)
	@git ls-files | grep -Ev '^(django_schemas|tenancy)/' | tar -c -T - | tar -x -C $(AWAY)
	@$(MAKE) --no-print-directory -C $(AWAY) browser $(VENV)/.ready-bench test WHEEL="$$(ls $(CURDIR)/dist/*.whl)"

clean:  ## stop PostgreSQL, delete its data, the virtual environment and all that was built
	@python=$$($(FIND_PYTHON)) && $$python -m tools.postgres remove
	rm -rf $(VENV) dist site .coverage htmlcov .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew if its Python is gone or too old, and brought up to date when pyproject.toml changes.
$(READY): pyproject.toml
	@$(RUN) -c 'import pip' 2>/dev/null || { \
		python=$$($(FIND_PYTHON)) && echo "making $(VENV) with $$python" >&2 && $$python -m venv --clear $(VENV); }
	@$(RUN) -m pip install --quiet --disable-pip-version-check $(call project,$(EXTRAS))
	@touch $@

$(VENV)/.ready-%: $(READY)
	@$(RUN) -m pip install --quiet --disable-pip-version-check $(call project,$*)
	@touch $@
