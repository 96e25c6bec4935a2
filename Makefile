# The commands of this project. Settings are environment variables: docs/reference/settings.md.
.DEFAULT_GOAL := help
.PHONY: help setup run up down status test test-unit lint bench lock clean \
    setup-cluster release bundle lint-ansible test-cluster-smoke test-cluster test-cluster-choices test-airgap \
    compose-up compose-down test-compose

PYTHON_BIN := .venv/bin
CLUSTER_BIN := .venv-cluster/bin
LOCK := UV_SYSTEM_CERTS=1 $(PYTHON_BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-annotate \
    --universal --python-version 3.11 --custom-compile-command "make lock"

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

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

# What tests need besides (promtool, faketime): also in their prerequisite `setup`.
test test-unit: export STOWBAY_SETUP_TESTS := yes

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

setup-cluster: setup ## make .venv-cluster: Ansible, its linters, tests of hosts
	@tests/cluster/setup.sh

release: setup ## what hosts install, in var/release: wheels for Debian 13, locked by hash
	@PYTHONPATH=.:ansible $(PYTHON_BIN)/python ansible/release/make.py

bundle: release ## all that hosts without internet need, signed, in var/bundle; wants root
	@PYTHONPATH=ansible $(PYTHON_BIN)/python -m bundle make

lint-ansible: setup-cluster ## ansible-lint's production profile, yamllint
	$(CLUSTER_BIN)/yamllint --strict -c ansible/.yamllint ansible monitoring tests/cluster
	cd ansible && PATH="$(CURDIR)/$(CLUSTER_BIN):$$PATH" ansible-lint

test-cluster-smoke: setup-cluster release ## one host from nothing: roles twice, their tests, a round trip
	$(CLUSTER_BIN)/python -m tests.cluster.smoke

test-cluster: setup-cluster release ## the lab's own tests, the same with three hosts, the drills
	$(CLUSTER_BIN)/python -m pytest tests/cluster/test_lab.py
	$(CLUSTER_BIN)/python -m tests.cluster.smoke --hosts 3 --drills

test-cluster-choices: setup-cluster release ## one host with SeaweedFS, a brought authority and edge certificate
	$(CLUSTER_BIN)/python -m tests.cluster.smoke --choices

compose-up: ## a trial in containers, with Docker alone: compose/README.md
	@python3 compose/trial.py up

compose-down: ## stop the trial; what is stored stays
	@python3 compose/trial.py down

test-compose: setup ## the trial in a Docker daemon of its own; wants root
	$(PYTHON_BIN)/python -m tests.compose

# Its host is our own: sources that a mirror lacks don't matter to it.
test-airgap: export STOWBAY_BUNDLE_INTERNAL := yes
test-airgap: setup-cluster bundle ## a host without a route, installed from the bundle alone; wants root
	PYTHONPATH=ansible $(CLUSTER_BIN)/python -m tests.cluster.airgap

lock: setup ## choose versions anew and write the three locks
	$(LOCK) pyproject.toml --all-extras -o requirements.lock
	$(LOCK) pyproject.toml ansible/release/requirements.in -c requirements.lock -o requirements-host.lock
	$(LOCK) --group cluster -o requirements-cluster.lock

clean: ## remove what tools cached; var/ and .venv stay
	rm -rf .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find appliance tests -name __pycache__ -type d -prune -exec rm -rf {} +
