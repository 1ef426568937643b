# The two commands of the README, and what keeps the project whole. Needs Python 3.10 or newer, its venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONVERT := .venv-convert
AARCH64 ?= build/aarch64
# A process for each core; each may start engines and readers of its own, so no more than four.
PARALLEL ?= --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: infer test lint unit test-convert docs pack bench requirements wheelhouse aarch64 clean

infer: $(VENV)/runtime
	$(BIN)/edgerun infer examples/chest-pneumonia-0000.dcm --out results

test: lint unit

lint: $(VENV)/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(VENV)/test
	$(BIN)/python -m pytest $(PARALLEL)

# What needs torch, and so is skipped by `make test`: recipes, export, the packs' reproduction. Several hundred MB.
test-convert: $(CONVERT)/test
	$(CONVERT)/bin/python -m pytest $(PARALLEL) $(shell grep -rlE --include='*.py' 'importorskip."torch"|in ."torch"' tests)

# The pages and schemas that are generated from the code.
docs: $(VENV)/test
	$(BIN)/python -m edge.schemas
	$(BIN)/python -m edge.reasons_page
	$(BIN)/python -m benchmarks.systems_page
	$(BIN)/python -m benchmarks.tables

# Build the embedded pack and the example scans again from the trained weights: make pack DATA=pneumoniamnist.npz
pack: $(CONVERT)/test
	$(CONVERT)/bin/edgerun-convert pack chest-pneumonia --data $(DATA) --out edge/packs/chest-pneumonia --examples examples

bench: $(CONVERT)/test
	$(CONVERT)/bin/python -m benchmarks

# Exact versions and hashes of all that a device gets, for both JetPacks and for PCs. Needs a package index. OpenVINO
# works without its telemetry, and a clinic's machine has nobody to tell.
PC_PYTHONS := 3.10 3.11 3.12 3.13
DEVICE := pyproject.toml --extra objects --extra paper --extra evaluate
requirements: $(VENV)/tools
	$(call compile,3.10,aarch64,$(DEVICE) requirements/jetson-py310.in,jetson-py310)
	$(call compile,3.12,aarch64,$(DEVICE) requirements/jetson-py312.in,jetson-py312)
	set -e; $(foreach py,$(PC_PYTHONS),$(call compile,$(py),x86_64,$(DEVICE) --extra ocr requirements/pc.in,pc-py$(subst .,,$(py)));)
	$(call compile,3.10,x86_64,requirements/build.in,build)
compile = UV_CUSTOM_COMPILE_COMMAND='make requirements' $(BIN)/uv pip compile --quiet --upgrade --only-binary :all: \
	--generate-hashes --no-emit-index-url --no-emit-package openvino-telemetry --python-version $(1) \
	--python-platform $(2)-manylinux_2_34 $(3) \
	--output-file requirements/$(4).txt

# A folder for a USB stick, to install from without a network: make wheelhouse [FOR=jetson|pc] [PY=3.12] [STICK=folder]
FOR ?= jetson
PY ?= 3.12
NAME := $(FOR)-py$(subst .,,$(PY))
STICK ?= dist/stick-$(NAME)
MACHINE := $(if $(filter pc,$(FOR)),x86_64,aarch64)
GLIBC := 2_34 2_31 2_28 2_27 2_26 2_24 2_17
wheelhouse: $(VENV)/runtime
	rm -rf $(STICK)/wheels
	mkdir -p $(STICK)/wheels $(STICK)/examples
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(STICK)/wheels .
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes --dest $(STICK)/wheels --only-binary=:all: \
		--implementation cp --python-version $(PY) $(GLIBC:%=--platform manylinux_%_$(MACHINE)) \
		--platform manylinux2014_$(MACHINE) -r requirements/$(NAME).txt
	cp requirements/install.sh $(STICK)
	cp requirements/$(NAME).txt $(STICK)/requirements.txt
	printf '%s\n' $(PY) $(MACHINE) > $(STICK)/made-for.txt
	cp docs/jetson.md $(STICK)
	cp examples/chest-pneumonia-0000.dcm $(STICK)/examples
	cd $(STICK) && find . -type f ! -name SHA256SUMS | LC_ALL=C sort | xargs sha256sum > SHA256SUMS
	@echo "Copy $(STICK) to the stick. On the machine: sh install.sh"

# A Python for ARM with its wheels, run here by QEMU's user mode, for tests/test_aarch64.py. Debian on x86-64.
aarch64: $(VENV)/tools
	PATH="$(abspath $(BIN)):$$PATH" sh tests/aarch64.sh $(AARCH64)

$(VENV)/runtime: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/test: pyproject.toml $(VENV)/runtime
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/tools: $(VENV)/runtime
	$(BIN)/python -m pip install --quiet 'uv>=0.9'
	touch $@

$(CONVERT)/test: pyproject.toml
	$(PYTHON) -m venv $(CONVERT)
	$(CONVERT)/bin/python -m pip install --quiet --upgrade pip
	$(CONVERT)/bin/python -m pip install --quiet --editable '.[convert,test]'
	touch $@

clean:
	rm -rf $(VENV) $(CONVERT) results build dist *.egg-info
