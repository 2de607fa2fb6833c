# make train [ARGS="task=MT10 train=TOPPO seed=1"]   train; any Hydra override goes into ARGS
# make test [WORKERS=2]                              the test suite, in so many processes
# make official                                      the models of the official Meta-World, for task=MetaWorldMT10 and so on
# All build .venv from constraints.txt first, once.
# make oracle                                        the official Meta-World itself with its own MuJoCo, in .venv-oracle

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
METAWORLD := 3.1.1
OFFICIAL := $(VENV)/.metaworld-$(METAWORLD)
ORACLE := .venv-oracle
ARGS ?= task=MT10 train=TOPPO
WORKERS ?= 2

.PHONY: train test test-slow lint venv official oracle clean

train: venv
	$(BIN)/python train.py $(ARGS)

test: official
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-slow: official
	$(BIN)/python -m pytest -m slow

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test,dev]'
	touch $@

# Only its models are read: what it depends on, an older MuJoCo among it, stays out.
official: $(OFFICIAL)

$(OFFICIAL): $(STAMP)
	$(BIN)/python -m pip install -q --no-deps metaworld==$(METAWORLD)
	touch $@

oracle: $(ORACLE)/.installed

$(ORACLE)/.installed:
	$(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/python -m pip install -q metaworld==$(METAWORLD) mujoco==3.3.0 gymnasium==1.4.0 packaging
	touch $@

clean:
	rm -rf $(VENV) $(ORACLE) build *.egg-info
