# DataProtect. `make demo` shows it, `make test` proves it; both install what is missing first.
PYTHON := .venv/bin/python
PYTEST_ARGS ?=
HEADLESS ?=
NEW_PASSWORDS ?=
SCALE ?=
RUNS ?=
LISTEN ?=

.PHONY: help setup test-setup lint test demo run bench lock clean
.DEFAULT_GOAL := help

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

setup: ## Install what running needs: system packages, .venv, the page sums in C
	@.ci/setup.sh

test-setup: setup ## … and what the tests need
	@.ci/setup.sh test

demo: setup ## A throwaway server, protected, restored and shown (HEADLESS=1: prove it and exit)
	@exec $(PYTHON) manage.py demo $(if $(HEADLESS),--headless) $(if $(NEW_PASSWORDS),--new-passwords)

run: setup ## Web and workers of this checkout's own home (DATAPROTECT_HOME, default var/)
	@exec $(PYTHON) manage.py serve $(if $(LISTEN),--listen $(LISTEN))

lint: test-setup ## Style, types, import arrows, migrations, deployment check
	@.ci/lint.sh

test: test-setup ## Everything, on real servers it starts itself (PYTEST_ARGS="-k name" for less)
	@status=0; .ci/lint.sh || status=1; \
	$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS) || status=1; exit $$status

bench: setup ## Speed and memory beside pgbackrest and pg_basebackup (SCALE=100, RUNS=5)
	@.ci/setup.sh bench
	@$(PYTHON) -m tests.bench $(if $(SCALE),--scale $(SCALE)) $(if $(RUNS),--runs $(RUNS))

lock: ## Resolve the requirements again, with hashes
	@.ci/lock.sh

clean: ## Remove the environment and caches; backups, keys and the catalog in var/ stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
	rm -f dataprotect/engine/databases/postgresql/libpagesums.so.1
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
