# `make demo` and `make test` need python3 and make, nothing else: every target makes its own .venv first.
PYTHON ?= python3
REQUIREMENTS ?= requirements-dev.txt
CONSTRAINTS ?= constraints.txt
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ADAPTERS := langchain_reka llamaindex_reka
PAGES  := $(wildcard docs/*.md docs/*/*.md integrations/*/README.md examples/notebooks/*.ipynb)
CODE   := reka _reka_pytest.py integrations tests bench examples release docs/hooks

# uv installs in seconds; pip takes minutes to resolve, so where there is no uv it installs that first. Files are copied, not hard-linked from its cache, because nltk
# (LlamaIndex's sentence splitter) refuses to read data that has more than one link.
export UV_LINK_MODE := copy

COMPILE := uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links \
  --no-emit-package reka --no-emit-package langchain-reka --no-emit-package llamaindex-reka

# Tests start many processes: what Python has compiled is kept for the next one, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

# Of two cores, a third process of tests uses the time in which the others wait for servers.
# `make test COVERAGE=yes` measures what the tests reach, which takes a quarter more time.
COVERAGE ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-core core-tests test-lowest lowest-tests test-ray ray-tests prove check check-code check-mypy check-public check-pyright format hooks bench docs pictures dist constraints clean

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(STAMP): $(CONSTRAINTS) $(REQUIREMENTS) pyproject.toml reka/_version.py $(wildcard integrations/*/pyproject.toml)
	@if uv=$$(command -v uv); then \
	  $$uv venv --quiet --allow-existing --python $(PYTHON) $(VENV); \
	else \
	  uv=$(BIN)/uv; \
	  $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	fi && $$uv pip install --quiet --python $(BIN)/python -r $(REQUIREMENTS) -c $(CONSTRAINTS)
	@touch $@

demo: $(STAMP)  ## Upload a text collection, prepare it, chat over it: the main job, on the embedded server
	@$(BIN)/reka demo

test: $(STAMP)  ## Run the tests (COVERAGE=yes measures what they reach)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not prove" --timeout 240 \
	  $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=95)

test-core:  ## Run the client's own tests, in an environment with nothing else (PYTHON=python3.10 chooses another Python)
	@$(MAKE) --no-print-directory core-tests REQUIREMENTS=requirements-core.txt \
	  VENV=.venv-core-$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

core-tests: $(STAMP)
	$(BIN)/python -m pytest -n 3 -m "not prove" --timeout 240 -p no:cacheprovider tests/client

test-lowest:  ## Run the tests of the client, the server and the adapters on the lowest versions that they declare
	@$(MAKE) --no-print-directory lowest-tests REQUIREMENTS=requirements-lowest.txt CONSTRAINTS=constraints-lowest.txt \
	  VENV=.venv-lowest

lowest-tests: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not prove" --timeout 240 -p no:cacheprovider tests/client tests/server
	$(foreach adapter,$(ADAPTERS),cd integrations/$(adapter) && \
	  $(CURDIR)/$(BIN)/python -m pytest -n 3 --dist worksteal --timeout 240 -p no:cacheprovider tests && cd $(CURDIR) &&) true

test-ray:  ## Run the tests on a Ray cluster of this machine, with the newest Ray and the lowest that is declared
	@$(MAKE) --no-print-directory ray-tests REQUIREMENTS=requirements-ray.txt VENV=.venv-ray
	@$(MAKE) --no-print-directory ray-tests REQUIREMENTS=requirements-ray-lowest.txt VENV=.venv-ray-lowest

ray-tests: $(STAMP)
	$(BIN)/python -m pytest -m prove --timeout 900 -p no:cacheprovider tests/server/ray

prove: $(STAMP)  ## Run the long proofs: kill, fuzz, soak, and a Ray cluster
	$(BIN)/python -m pytest -m prove --timeout 3600
	@$(MAKE) --no-print-directory test-ray

check: $(STAMP)  ## Check format, lint, spelling, imports and types
	@$(MAKE) --no-print-directory -j 2 check-code check-pyright check-mypy

check-code: $(STAMP)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff format --check --line-length 96 $(PAGES)
	$(BIN)/ruff check $(CODE)
	$(BIN)/typos
	$(BIN)/lint-imports --no-cache

check-pyright: $(STAMP)
	$(BIN)/pyright --pythonpath $(BIN)/python

check-public: $(STAMP)  ## Check that all that is public is typed: what users' type checkers see
	$(foreach module,reka $(ADAPTERS),PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" \
	  $(BIN)/pyright --verifytypes $(module) --ignoreexternal &&) true

check-mypy: $(STAMP)
	$(BIN)/mypy reka _reka_pytest.py tests bench examples release docs/hooks $(foreach adapter,$(ADAPTERS),integrations/$(adapter)/$(adapter))
	$(foreach adapter,$(ADAPTERS),$(BIN)/mypy integrations/$(adapter)/tests &&) true

format: $(STAMP)  ## Format the code and mend what the linter can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff format --line-length 96 $(PAGES)
	$(BIN)/ruff check --fix $(CODE)

hooks: $(STAMP)  ## Have git check each commit and its message
	$(BIN)/pre-commit install

bench: $(STAMP)  ## Measure retrieval quality, memory and speed
	$(BIN)/python -m bench

docs: $(STAMP)  ## Build the documentation site into build/site
	$(BIN)/python -m mkdocs build --strict

pictures: $(STAMP)  ## Make the documentation's pictures anew: the demo, the server's page (needs Chromium), the plots
	$(BIN)/python -m release.pictures
	$(BIN)/python -m bench.plots

dist: $(STAMP)  ## Build the distributions, check them, try them on every Python here (FINAL=yes refuses what must not be uploaded)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m release $(if $(FINAL),--final)

constraints:  ## Resolve the pinned versions anew (needs uv)
	$(COMPILE) --upgrade requirements-dev.txt --output-file constraints.txt
	grep -ohE '"[a-z0-9-]+(\[[a-z]+\])?>=[0-9.]+' pyproject.toml integrations/*/pyproject.toml | tr -d '"' | sed -E 's/\[.*\]//; s/>=/==/' | \
	  $(COMPILE) --upgrade requirements-lowest.txt --constraints /dev/stdin --output-file constraints-lowest.txt

clean:  ## Remove what the targets made
	rm -rf .venv* build dist .coverage* .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
