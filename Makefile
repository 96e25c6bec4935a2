# The commands of this project. Settings are environment variables: docs/reference/settings.md.
.DEFAULT_GOAL := help
.PHONY: help setup run up down status test test-unit lint bench lock clean

PYTHON_BIN := .venv/bin

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what the machine lacks, make .venv
	@appliance/machine/setup.sh

run: setup ## start in the foreground; Ctrl-C stops it
	@exec $(PYTHON_BIN)/python -P -m appliance.machine run

up: setup ## start in the background; returns when it answers
	@exec $(PYTHON_BIN)/python -P -m appliance.machine up

down: setup ## stop what `up` started
	@exec $(PYTHON_BIN)/python -P -m appliance.machine down

status: setup ## say what runs
	@exec $(PYTHON_BIN)/python -P -m appliance.machine status

lint: setup ## ruff, mypy, the arrows between the rooms
	$(PYTHON_BIN)/ruff check .
	$(PYTHON_BIN)/ruff format --check .
	$(PYTHON_BIN)/mypy
	$(PYTHON_BIN)/lint-imports

test: lint ## every test, after the linters
	$(PYTHON_BIN)/pytest -n 2 --dist loadgroup

test-unit: setup ## the tests that start nothing
	$(PYTHON_BIN)/pytest tests/unit

bench: setup ## measure, side by side with a plain S3 client
	$(PYTHON_BIN)/python -m tests.bench

lock: setup ## choose versions anew and write requirements.lock
	$(PYTHON_BIN)/uv pip compile pyproject.toml --extra dev --extra bench --extra embedded --generate-hashes \
	    --no-emit-index-url --no-annotate --universal --python-version 3.11 \
	    --custom-compile-command "make lock" -o requirements.lock

clean: ## remove what tools cached; var/ and .venv stay
	rm -rf .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find appliance tests -name __pycache__ -type d -prune -exec rm -rf {} +
