# make demo | test | install | lint      TORCH=torch==2.13.0 asks for a particular PyTorch.
PYTHON ?= python3
TORCH ?= torch
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install demo test test-slow lint

install: $(INSTALLED)

$(INSTALLED): pyproject.toml lantnet/pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet '$(TORCH)'
	$(BIN)/pip install --quiet --editable '.[video,dev]' --editable './lantnet[dev]'
	touch $@

demo: install
	$(BIN)/reeltune demo

test: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m 'not slow'
	cd lantnet && OMP_NUM_THREADS=1 ../$(BIN)/pytest -n 2 -m 'not slow'

test-slow: install
	$(BIN)/pytest -m slow
	cd lantnet && ../$(BIN)/pytest -m slow

lint: install
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	cd lantnet && ../$(BIN)/ruff check src tests benchmarks
	cd lantnet && ../$(BIN)/ruff format --check src tests benchmarks
	cd lantnet && ../$(BIN)/mypy
