# Everything a developer does here. `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := perfkit integrations example_apps tests benchmarks docs/build.py docs/references.py noxfile.py
QUICK_TESTS := tests/unit tests/property tests/architecture tests/typing

# Compiled tests are kept whatever the shell says: to compile them anew each time takes a third of a check.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check check-code check-tests acceptance bench docs docs-serve references screenshots format

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev --group bench
	@touch $(STAMP)

.venv/.demo: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch .venv/.demo

demo: .venv/.demo ## Run the demo shop under live traffic with its dashboard
	@exec $(BIN)/perfkit demo $(ARGS)

test: check-code ## Run everything that must hold before a merge
	$(BIN)/pytest $(QUICK_TESTS) -m "not acceptance"
	$(BIN)/pytest tests/integrations tests/acceptance tests/browser tests/parity tests/docs tests/packaging tests/transparency -m "not acceptance" $(ARGS)

# The two halves run beside each other, each shown when it has ended.
check: $(STAMP) ## Format, lint, layers, types, unit and property tests: seconds
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target check-code check-tests

check-code: $(STAMP)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/mypy

check-tests: $(STAMP)
	$(BIN)/pytest $(QUICK_TESTS) -q -m "not acceptance and not process" --hypothesis-profile=quick

acceptance: test ## The full proof: fleets under kill, hostile load, every benchmark
	$(BIN)/pytest tests -m acceptance $(ARGS)
	$(MAKE) bench NAME=overhead
	$(MAKE) bench NAME=store

bench: $(STAMP) ## Run one benchmark: make bench NAME=overhead
	$(BIN)/python -m benchmarks.$(NAME) $(ARGS)

docs: $(STAMP) ## Build the documentation site into build/site; a broken link ends it
	$(BIN)/python docs/build.py

docs-serve: $(STAMP) ## Show the site at 127.0.0.1:8001 while you write
	$(BIN)/python docs/build.py --serve

references: $(STAMP) ## Write anew what the documentation takes from the code
	$(BIN)/python -m perfkit.config.reference > docs/reference/settings.md
	$(BIN)/python -m perfkit.schema --directory docs/reference/schemas
	$(BIN)/python -m perfkit.cli.schema --directory docs/reference/schemas/cli
	$(BIN)/python -m perfkit.http.openapi > docs/reference/openapi.json
	$(BIN)/python -m perfkit.advice.codes
	$(BIN)/python docs/references.py

screenshots: $(STAMP) ## Take the pictures of the documentation anew
	$(BIN)/python docs/pictures/take.py

format: $(STAMP) ## Format the code and mend what can be mended by itself
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
