# Everything a new machine needs. The environment is .venv, the command .venv/bin/spingate.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null \
	&& $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all:
PACKAGES := drivers calibration gateway hil

.PHONY: help demo test lint bench fuzz train lane lock docs programs clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/run ## screen four emulated objects and verify every alert; ARGS=--json for a summary
	@$(BIN)/spingate demo $(ARGS)

test: $(VENV)/test programs ## run the tests; installs what they need
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/test ## ruff with everything selected, mypy strict
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: $(VENV)/run ## measure memory, records per second and latency
	@$(BIN)/spingate bench $(ARGS)

fuzz: $(VENV)/test ## look for bytes that a parser cannot bear, 5 minutes each; ARGS="--seconds 60 twinleaf"
	@$(BIN)/python -m tests.fuzz.every $(ARGS)

train: $(VENV)-train/train ## train the classifier again, in an environment of its own
	@$(VENV)-train/bin/python -m hil.training.train build/training $(ARGS)

lane: $(VENV)-train/train ## train the network of the magnetic lane again
	@$(VENV)-train/bin/python -m hil.training.lane $(ARGS)

lock: $(VENV)/test ## renew the lock files after a change of pyproject.toml (needs uv)
	@uv pip compile pyproject.toml --group build --universal --python-version 3.11 --only-binary :all: \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements.lock
	@uv pip compile pyproject.toml --group build --group test --universal --python-version 3.11 --only-binary :all: --no-binary qzfm \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements-test.lock
	@uv pip compile pyproject.toml --group build --group train --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
		--only-binary :all: --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet \
		-o requirements-train.lock

docs: $(VENV)/run ## renew the table of configuration keys after a change of gateway/config_tables.py
	@$(BIN)/python -c "from pathlib import Path; from gateway.config_reference import reference; \
		path = Path('docs/configuration.md'); head = path.read_text().split('\n## ')[0]; \
		path.write_text(head + '\n' + reference())"

# Debian keeps ensurepip in a package of its own: fetch it where that is allowed, say so where it is not.
define new-environment
	@test -n "$(PYTHON)" || { echo "spingate needs Python 3.11 or newer: apt-get install python3 python3-venv"; exit 1; }
	@test -x $(1)/bin/python -a -x $(1)/bin/pip || $(PYTHON) -m venv --clear $(1) 2>/dev/null \
		|| { .ci/programs python3-venv && $(PYTHON) -m venv --clear $(1); }
endef

$(VENV)/run: requirements.lock pyproject.toml
	$(call new-environment,$(VENV))
	@echo "installing the locked packages into $(VENV) ..."
	@$(PIP_INSTALL) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test: requirements-test.lock $(VENV)/run
	@echo "installing the locked test packages into $(VENV) ..."
	@$(PIP_INSTALL) --no-binary=qzfm --no-build-isolation -r requirements-test.lock
	@touch $@

$(VENV)-train/train: requirements-train.lock
	$(call new-environment,$(VENV)-train)
	@$(VENV)-train/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
		-r requirements-train.lock
	@touch $@

programs:
	@.ci/programs

clean: ## remove environments and caches
	rm -rf $(VENV) $(VENV)-train $(VENV)-tflite .mypy_cache .ruff_cache .pytest_cache .hypothesis
