# make run    the demo: Dongying's green wave and its one big lot, before and after
# make test   lint, types, architecture, contract, tests
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
# Both commands install by themselves, and only when these change.
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run test lint proto api proto-check clean

help:
	@sed -n 's/^# make/make/p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("greenlot needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: $(BIN)/python $(INPUTS)
	@echo "installing greenlot into $(VENV) (once) ..." >&2
	@$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-run
	@echo "installing the tools for tests into $(VENV) (once) ..." >&2
	@$(PIP) install --quiet -c constraints.txt -e '.[dev,bench]'
	@touch $@

run: $(VENV)/.installed-run
	@$(BIN)/greenlot demo

test: $(VENV)/.installed-dev lint
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev proto-check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/buf lint

PROTOS   := $(shell find proto -name '*.proto')
PROTOC    = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto \
            --python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)

proto: $(VENV)/.installed-dev
	@$(call PROTOC,.)

# The page of every call, from the same files; a test checks that it is current.
api: $(VENV)/.installed-dev
	@$(BIN)/python docs/generate_api.py

# The generated code is checked in: regenerate it elsewhere and compare.
proto-check: $(VENV)/.installed-dev
	@rm -rf build/proto && mkdir -p build/proto && $(call PROTOC,build/proto)
	@for package in traffic/v1 parking/v1; do \
	  diff -r -x __init__.py -x __pycache__ build/proto/$$package $$package \
	    || { echo "$$package differs from proto/: run 'make proto'" >&2; exit 1; }; done

clean:
	rm -rf $(VENV) build out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
