# Every target makes the virtual environment that it needs, from the lock files, and needs nothing
# but make and Python 3.11 or newer. Type `make help`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV ?= .venv
BENCH_VENV ?= .venv-bench
RUN_VENV ?= .venv-run
ARGS ?=
CHAOS_S ?= 300
SEED := $(or $(SEED),$(shell echo $$RANDOM))

# Twice the processors: half of a test's time is waiting for a server, a lease or a deadline.
side_by_side := -n $(shell echo $$(( 2 * $$(getconf _NPROCESSORS_ONLN) ))) --dist loadgroup

py := $(VENV)/bin/python
bench_py := $(BENCH_VENV)/bin/python

# The demo and the tests never touch the database that somebody works with, nor read his .env.
own_database := env -u DATABASE_URL -u DATABASE_URL_DIRECT -u COMPAT_ENV CRONSHOT_ENV_FILE=
# With the tests compiled each worker begins seven seconds earlier.
compiled := env -u PYTHONDONTWRITEBYTECODE

# Evaluated when a virtual environment is made, not before. Ubuntu and Debian ship a Python without
# ensurepip, and pyenv leaves shims that do not run, so each candidate is tried.
find_python = $(if $(PYTHON),$(PYTHON),$(firstword $(foreach name,\
  python3.11 python3.12 python3.13 python3 python3.14 python,\
  $(shell $(name) -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null && echo $(name)))))

# $(1): the environment, $(2): the lock file. Installs over what is there; a half-made one is made anew.
define install
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
	  python='$(find_python)'; \
	  if [ -z "$$python" ]; then \
	    echo 'make: Cronshot needs Python 3.11 or newer with its venv module, and found none.' >&2; \
	    echo '      Install one (apt-get install python3.11-venv, brew install python@3.11, pyenv install 3.11)' >&2; \
	    echo '      or say where it is: make PYTHON=/path/to/python3 ...' >&2; \
	    exit 1; \
	  fi; \
	  echo "make: creating $(1) with $$python" >&2; \
	  "$$python" -m venv --clear $(1); \
	}
	@echo 'make: installing $(2) into $(1)' >&2
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(2) >&2
	@touch $@
endef

$(VENV)/.installed-local: requirements/local.txt
	$(call install,$(VENV),$<)

$(VENV)/.installed-dev: requirements/dev.txt
	$(call install,$(VENV),$<)

$(BENCH_VENV)/.installed-bench: requirements/bench.txt
	$(call install,$(BENCH_VENV),$<)

$(RUN_VENV)/.installed-run: requirements/local.txt
	$(call install,$(RUN_VENV),$<)

node_modules/.installed: package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund >&2
	@touch $@

.PHONY: help
help: ## this list
	@echo 'make TARGET [ARGS="..."]'
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)$$/  \1|\2/' | column -t -s '|'

.PHONY: demo
demo: $(VENV)/.installed-local ## a simulated eBay, a real database, two accounts: see it work (ARGS="--live")
	@$(own_database) $(py) -m core.run demo $(ARGS)

.PHONY: serve
serve: $(VENV)/.installed-local ## the HTTP endpoints on 127.0.0.1:8000 (ARGS="--port 8001")
	@$(py) -m core.run serve $(ARGS)

.PHONY: test
test: $(VENV)/.installed-dev ## all tests but chaos and slow ones, on a real PostgreSQL, in a random order (SEED=n repeats one)
	@echo 'make: random seed $(SEED)' >&2
	@$(compiled) $(own_database) $(py) -m pytest $(side_by_side) --randomly-seed=$(SEED) $(ARGS)

.PHONY: slow
slow: $(VENV)/.installed-dev ## the tests that `make test` leaves out because they take long
	@$(compiled) $(own_database) $(py) -m pytest -m slow $(side_by_side) --randomly-seed=$(SEED) $(ARGS)

.PHONY: check
check: $(VENV)/.installed-dev ## ruff, mypy strict, import contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-logo

.PHONY: format
format: $(VENV)/.installed-dev ## what ruff can mend by itself
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

.PHONY: coverage
coverage: $(VENV)/.installed-dev ## branch coverage: 95 % of everything, 100 % of core but its door
	@rm -f .coverage .coverage.*
	@$(own_database) $(py) -m pytest -m 'not chaos and not bench' $(side_by_side) --cov --cov-report= $(ARGS)
	@$(VENV)/bin/coverage report --skip-covered --show-missing --fail-under=95
	@$(VENV)/bin/coverage report --skip-covered --show-missing --include='core/*' --omit=core/run.py --fail-under=100

.PHONY: chaos
chaos: $(VENV)/.installed-dev ## kills, freezes, restarts by the hundred, for CHAOS_S seconds
	@echo 'make: chaos for $(CHAOS_S) s, random seed $(SEED)' >&2
	@$(own_database) CHAOS_S=$(CHAOS_S) $(py) -m pytest -m chaos -n 2 --timeout=$$(($(CHAOS_S) + 600)) --randomly-seed=$(SEED) $(ARGS)

.PHONY: bench
bench: $(BENCH_VENV)/.installed-bench $(RUN_VENV)/.installed-run ## orders per second and peak memory, side by side with dlt and a bare statement
	@$(own_database) PRODUCT_PYTHON=$(CURDIR)/$(RUN_VENV)/bin/python $(bench_py) -m tests.benchmarks $(ARGS)

.PHONY: package
package: $(VENV)/.installed-dev ## the zip for AWS Lambda (arm64, Python 3.13), the same bytes each time
	@$(py) tools/package.py $(ARGS)

.PHONY: template
template: package node_modules/.installed ## the CloudFormation template, offline and without credentials
	@SLS_TELEMETRY_DISABLED=1 npx --no-install osls package $(ARGS)

lock_options := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --custom-compile-command 'make lock'

.PHONY: lock
lock: $(VENV)/.installed-dev ## lock files from pyproject.toml (ARGS="--upgrade" for newer versions)
	@$(VENV)/bin/uv pip compile $(lock_options) $(ARGS) pyproject.toml -o requirements/runtime.txt
	@$(VENV)/bin/uv pip compile $(lock_options) $(ARGS) --extra local pyproject.toml -o requirements/local.txt
	@$(VENV)/bin/uv pip compile $(lock_options) $(ARGS) --extra local --extra dev pyproject.toml -o requirements/dev.txt
	@$(VENV)/bin/uv pip compile $(lock_options) $(ARGS) --extra local --extra dev --extra bench pyproject.toml -o requirements/bench.txt

.PHONY: clean
clean: ## everything that was made, but not the embedded database in .cronshot
	rm -rf .venv .venv-* build node_modules .serverless .coverage .coverage.* \
	  .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find core handlers infra tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
