# The two commands of the README, and what keeps the project whole. Needs Python 3.10 or newer, its venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONVERT := .venv-convert

.PHONY: infer test lint unit test-convert docs pack bench clean

infer: $(VENV)/runtime
	$(BIN)/edgerun infer examples/chest-pneumonia-0000.dcm --out results

test: lint unit

lint: $(VENV)/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(VENV)/test
	$(BIN)/python -m pytest

# What needs torch, and so is skipped by `make test`: recipes, export, the packs' reproduction. Several hundred MB.
test-convert: $(CONVERT)/test
	$(CONVERT)/bin/python -m pytest $(shell grep -l '"torch"' tests/convert/*.py)

# The pages and schemas that are generated from the code.
docs: $(VENV)/test
	$(BIN)/python -m edge.schemas
	$(BIN)/python -m edge.reasons_page

# Build the embedded pack and the example scans again from the trained weights: make pack DATA=pneumoniamnist.npz
pack: $(CONVERT)/test
	$(CONVERT)/bin/edgerun-convert pack chest-pneumonia --data $(DATA) --out edge/packs/chest-pneumonia --examples examples

bench: $(CONVERT)/test
	$(CONVERT)/bin/python -m benchmarks

$(VENV)/runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/test: pyproject.toml $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(CONVERT)/test: pyproject.toml
	$(PYTHON) -m venv $(CONVERT)
	$(CONVERT)/bin/python -m pip install --quiet --upgrade pip
	$(CONVERT)/bin/python -m pip install --quiet --editable '.[convert,test]'
	touch $@

clean:
	rm -rf $(VENV) $(CONVERT) results build dist *.egg-info
