# `make` lists the targets. Each does its own set-up first, once; .venv/ holds all of it.
# Other Python: make lab PYTHON=python3.12. The shell's `cd` is never needed: paths are relative, so
# that the folder may have spaces in its name.
SHELL := /bin/sh
PYTHON ?= python3
RUN := .venv/bin/python -m

# The set-up is done again only when what it depends on has another content, or the folder another
# name (a virtual environment does not survive being moved).
KEY := $(shell { cat pyproject.toml constraints.txt; pwd; $(PYTHON) --version; } 2>&1 | cksum | cut -d' ' -f1)
READY := .venv/ready-$(KEY)

.DEFAULT_GOAL := help
.PHONY: help setup lab test bench study regress look lint type format notebooks book clean

help:
	@echo "make lab        open JupyterLab at the first notebook, on a real Redis"
	@echo "make test       run every test: units, real servers, kills, notebooks, a browser"
	@echo "make bench      measure throughput and latency for 1, 2 and 4 consumers (one minute)"
	@echo "make study      every scenario of loadtests/scenarios/ (under an hour; Ctrl-C, and it goes on later)"
	@echo "make regress    is the package slower than the committed baseline says, beside a bare loop"
	@echo "make setup      what the others run first: .venv/ with all packages"
	@echo "make lint       ruff: its rules, and its format"
	@echo "make type       mypy --strict"
	@echo "make format     let ruff rewrite the code"
	@echo "make notebooks  run the notebooks and store their outputs"
	@echo "make look       run every notebook in JupyterLab, light and dark; screenshots in .look/"
	@echo "make book       write the generated notebooks and the tables of notebooks/README.md"
	@echo "make clean      remove what the targets made: .venv/, caches, load test results"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	    f"streamlab needs Python >= 3.11, {sys.executable} is {v[0]}.{v[1]}: make $(MAKECMDGOALS) PYTHON=python3.11")'
	@echo "Setting up .venv/ (about a minute, the first time only)"
	@rm -f .venv/ready-*
	@$(PYTHON) -m venv --clear .venv
	@$(RUN) pip install --disable-pip-version-check -c constraints.txt -e '.[dev]' > .venv/setup.log 2>&1 & \
	    pip=$$!; seconds=0; trap 'kill $$pip 2>/dev/null; exit 130' INT TERM; \
	    while kill -0 $$pip 2>/dev/null; do \
	        seconds=$$((seconds + 1)); \
	        [ -t 1 ] && printf '\r  %s s, %s packages fetched ' $$seconds "$$(grep -c -E '^ *(Downloading|Using cached|Processing) ' .venv/setup.log)"; \
	        sleep 1; \
	    done; [ -t 1 ] && echo; \
	    wait $$pip || { tail -n 15 .venv/setup.log; echo "pip failed; all it said: .venv/setup.log"; exit 1; }
	@# No question about news and updates over the first lesson.
	@mkdir -p .venv/share/jupyter/lab/settings
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
	    > .venv/share/jupyter/lab/settings/overrides.json
	@touch $@

lab: $(READY)
	@$(RUN) streamlab redis install || { echo "going on with:" && $(RUN) streamlab redis path; }
	@$(RUN) jupyterlab --ip=127.0.0.1 $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(LAB) notebooks/00-start-here.ipynb

test: $(READY)
	@$(RUN) streamlab redis install
	@$(RUN) streamlab redis install 6.2.14
	@$(RUN) pytest -n 4 --dist worksteal $(ARGS)

look: $(READY)
	@$(RUN) streamlab redis install
	@$(RUN) pytest -n 2 tests/test_browser.py --look .look $(ARGS)

bench: $(READY)
	@$(RUN) streamlab redis install || $(RUN) streamlab redis path
	@$(RUN) streamlab bench --consumers 1,2,4 --seconds 1.5 --repeats 3 --work-ms 1 --out loadtests/results/latest $(ARGS)

study: $(READY)
	@$(RUN) streamlab redis install || $(RUN) streamlab redis path
	@.venv/bin/python loadtests/study.py --size full --out loadtests/results/study $(ARGS)

regress: $(READY)
	@$(RUN) streamlab redis install || $(RUN) streamlab redis path
	@$(RUN) streamlab bench regress loadtests/baselines/consumers $(ARGS)

lint: $(READY)
	@$(RUN) ruff check
	@$(RUN) ruff format --check

type: $(READY)
	@$(RUN) mypy

format: $(READY)
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

notebooks: $(READY)
	@$(RUN) streamlab redis install
	@.venv/bin/python tests/store_outputs.py $(ARGS)

# The tables count what has been run, so they are made after the pages.
book: $(READY)
	@$(RUN) streamlab redis install
	@$(RUN) streamlab.book
	@.venv/bin/python tests/store_outputs.py notebooks/1-commands/00-map-of-commands.ipynb notebooks/6-interview/*.ipynb
	@$(RUN) streamlab.book

clean:
	rm -rf .venv .look .ruff_cache .mypy_cache .pytest_cache .hypothesis loadtests/results
