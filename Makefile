# Rollcall on one machine. `make` alone says what there is.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# The first Python at hand that is 3.11 or later and can make virtual environments; or name one: make PYTHON=python3.13 ...
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)
SETUP = @test -n "$(PYTHON)" || { echo "No Python 3.11 or later with venv was found: install one (Debian: python3 python3-venv), or name it with make PYTHON=..."; exit 1; }; \
	$(PYTHON) tools/setup.py
RUN := .venv/bin/python
PYTEST := $(RUN) -m pytest -q
WORKERS := -n auto --dist worksteal

.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything into .venv and .local (a second time: nothing to do)
	$(SETUP)

up: ## run the whole stack here; .local/stack.json says where
	$(SETUP) dev ministack sam
	@$(RUN) tools/stack.py up

down: ## stop it and forget its data
	@test ! -x $(RUN) || $(RUN) tools/stack.py down

status: ## what runs
	@test ! -x $(RUN) && echo "Nothing is set up: run make up." || $(RUN) tools/stack.py status

demo: up ## the main job as a story, on the stack (starts it)
	@$(RUN) -m demo .local/stack.json

test: setup lint ## lint, types, import rules and every test that needs no other tools; starts the stack for the flows
	@$(RUN) tools/stack.py up
	@echo "The flows on the stack run beside the other tests; what they say comes at the end."
	@$(PYTEST) --timeout 900 tests/e2e > .local/flows.log 2>&1 & flows=$$!; trap "kill $$flows" INT TERM; \
	$(PYTEST) $(WORKERS) tests/unit tests/property tests/contract tests/template tests/integration tests/faults tests/benchmarks; rest=$$?; \
	wait $$flows; flows=$$?; cat .local/flows.log; exit $$((rest + flows))

test-long: up ## long runs: the whole fault matrix, twenty times the examples
	@ROLLCALL_LONG=1 $(PYTEST) $(WORKERS) --timeout 3600 -m "long or not long" tests/property tests/faults tests/unit
	$(SETUP) browser
	@ROLLCALL_LONG=1 $(PYTEST) --timeout 3600 -m long tests/integration tests/browser tests/e2e

bench: ## how fast, each figure beside its floor and beside what it was the last time
	$(SETUP) dev sam lambda
	@ROLLCALL_BENCH=1 $(PYTEST) -s --timeout 3600 -m "long or not long" tests/benchmarks

sizes: up ## what each function brings, and how long importing it takes
	@$(RUN) tools/sizes.py

lint: ## format, lint, types, import rules
	$(SETUP) dev
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

lock: ## renew the lock files from requirements/*.in
	$(SETUP) lock
	@$(PYTHON) tools/lock.py

clean: down ## remove what was installed, built and written here
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -r {} +

.PHONY: help setup up down status demo test test-long bench sizes lint lock clean
