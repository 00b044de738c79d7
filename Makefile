# make demo    the demo study, from generated dumps to results/demo/report.html
# make test    lint, types and tests
# make lint    ruff, mypy, snakefmt and snakemake --lint
# make bench   speed against named peers, and what kills leave behind (ONLY=name for one, ONLY='pretrain-*' for some)
# make test-cluster   a small study on a real SLURM of this machine's own (needs root and Debian's packages)
#
# The demo's models are so small that one thread each, side by side, is fastest.
#
# All of them set up .venv first: what the rules run, and but for the demo the tools of development, too. PYTHON names
# the interpreter to make it with (3.11 or newer).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
CORES ?= all

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Hub look-ups have no place in demo and tests: everything they load is made here.
OFFLINE := HF_HUB_OFFLINE=1

.PHONY: demo test test-cluster lint bench
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(OFFLINE) snakemake --cores $(CORES) --set-threads pretrain=1
	@echo "Open results/demo/report.html"

test: $(VENV)/development lint
	$(OFFLINE) pytest

test-cluster: $(VENV)/development
	$(OFFLINE) pytest tests/cluster

lint: $(VENV)/development
	ruff check .
	ruff format --check .
	snakefmt --check --compact-diff Snakefile workflow/rules
	mypy
	snakemake --lint

bench: $(VENV)/development
	$(OFFLINE) python -m bench $(if $(ONLY),--only '$(ONLY)')

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Installing about 130 packages into $(VENV), once: some minutes"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/development: $(VENV)/installed
	DS_BUILD_OPS=0 $(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[development]'
	touch $@
