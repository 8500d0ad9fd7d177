# Needs Python 3.11 or later with venv, git and make. Everything that is built stays below .cache.
PYTHON ?= python3
GATES := ruff mypy changelog docs lint importer unit functional awx examples browser simulation sanity integration

.DEFAULT_GOAL := help
.PHONY: help test $(GATES) matrix matrix-full hunt demo release bench emulator chromium screenshot format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo "  make GATE           run one gate: $(GATES)"

test: ## run all gates
	$(PYTHON) -m tests.tools.check

$(GATES):
	$(PYTHON) -m tests.tools.check $@

matrix: ## sanity tests on every ansible-core; all tests on the oldest, a middle and the newest one
	$(PYTHON) -m tests.tools.matrix

matrix-full: ## all tests on every ansible-core from 2.16 on, and sanity tests with each Python that is found
	$(PYTHON) -m tests.tools.matrix --full

hunt: ## run the property tests with thousands of new examples
	$(PYTHON) -m tests.tools.check hunt

demo: ## offboard sample devices in the emulator
	$(PYTHON) -m tests.tools.demo

release: ## build the archive, check it, install it into an empty environment, and run the demo with it
	$(PYTHON) -m tests.tools.release $(if $(TAG),--tag=$(TAG))

bench: ## compare the modules with a playbook without them, in one run
	$(PYTHON) -m tests.tools.bench

emulator: ## run a local Defender for Endpoint for rehearsals
	$(PYTHON) -m tests.tools.rehearse

chromium: ## install the browser for the tests of the evidence page, as root on Debian
	$(PYTHON) -m tests.tools.browser

screenshot: ## update the picture of an evidence page in the README
	$(PYTHON) -m tests.tools.screenshot

format: ## format the sources with ruff
	ruff=$$(ls .cache/environments/tools-*/bin/ruff | tail -n 1) && $$ruff check --fix && $$ruff format

clean: ## remove all build results
	rm -rf .cache
