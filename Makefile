# make demo    the demo study, from generated dumps to results/demo/report.html
# make check   lint and the fast tests: what to run before each commit (WORKERS=4 for four processes of tests)
# make test    lint and all tests, those marked slow too: what continuous integration runs
# make lint    ruff, snakefmt, snakemake --lint and mypy
# make docs    the documentation as a site: site/index.html; make picture draws the rules of README.md again
# make bench   speed against named peers, and what kills leave behind (ONLY=name for one, ONLY='pretrain-*' for some)
# make test-cluster   what breaks on a real SLURM of this machine's own (root on Debian; ONLY='node_fails or …' for some)
#
# The models of demo and tests are so small that one thread each, side by side, is fastest.
#
# All of them set up .venv first: what the rules run, and but for the demo the tools of development, too. PYTHON names
# the interpreter to make it with (3.11 or newer).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
CORES ?= all
WORKERS ?= auto

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Hub look-ups have no place in demo and tests: everything they load is made here.
OFFLINE := HF_HUB_OFFLINE=1
# A worker takes about 1.5 GB of memory. One that is done takes tests from another.
PYTEST := $(OFFLINE) OMP_NUM_THREADS=1 pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal

.PHONY: demo check test test-cluster lint docs picture bench
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(OFFLINE) snakemake --cores $(CORES) --set-threads pretrain=1
	@echo "Open results/demo/report.html"

check: $(VENV)/development lint
	$(PYTEST) -m 'not slow'

test: $(VENV)/development lint
	$(PYTEST)

test-cluster: $(VENV)/development
	$(OFFLINE) pytest --numprocesses 2 --dist loadfile tests/cluster $(if $(ONLY),-k '$(ONLY)')

lint: $(VENV)/development
	ruff check .
	ruff format --check .
	snakefmt --check --compact-diff workflow
	mypy
	snakemake --lint

docs: $(VENV)/development
	sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . site
	@echo "Open site/index.html"

# The order of rules in the picture is that of sets in Python.
picture: $(VENV)/development
	PYTHONHASHSEED=0 snakemake --forceall --rulegraph | snakevision --skip-rules all --output docs/pictures/rules.svg --style \
		node_stroke=grey label_font_color=grey label_arrow_stroke=grey label_font_size=11 bridge_color=none

bench: $(VENV)/development
	$(OFFLINE) python -m bench $(if $(ONLY),--only '$(ONLY)')

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Installing about 130 packages into $(VENV), once: some minutes"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet pip==26.0 # that of Debian 12 cannot build seqeval
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/development: $(VENV)/installed
	DS_BUILD_OPS=0 $(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[development]'
	touch $@
