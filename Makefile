# make train [ARGS="task=MT10 train=TOPPO seed=1"]   train; any Hydra override goes into ARGS
# make test [WORKERS=2]                              the test suite, in so many processes
# make lint, make wheel, make docs                   what else continuous integration runs
# make official                                      the models of the official Meta-World, for task=MetaWorldMT10 and so on
# make oracle                                        the official Meta-World itself with its own MuJoCo, in .venv-oracle
# Each builds .venv from constraints.txt first, once, with what it needs: with uv where it is installed, else with pip.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
METAWORLD := 3.1.1
OFFICIAL := $(VENV)/.metaworld-$(METAWORLD)
ORACLE := .venv-oracle
ARGS ?= task=MT10 train=TOPPO
WORKERS ?= 2
ifneq ($(shell command -v uv),)
NEW_VENV := uv venv -q --seed --python 3.11 $(VENV)
INSTALL := uv pip install -q --python $(BIN)/python -c constraints.txt
else
NEW_VENV := $(PYTHON) -m venv $(VENV)
# pip would compile every module of every package, for half a minute; what is imported is compiled then, as with uv.
INSTALL := $(BIN)/python -m pip install -q --no-compile -c constraints.txt
endif

.PHONY: train test test-slow lint wheel docs venv official oracle clean

train: $(VENV)/.training
	$(BIN)/python train.py $(ARGS)

test: venv official
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-slow: venv official
	$(BIN)/python -m pytest -m slow

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

wheel: venv
	.ci/wheel

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -q

venv: $(VENV)/.installed

$(VENV)/.training: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(NEW_VENV)
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed: $(VENV)/.training
	$(INSTALL) -e '.[test,dev]'
	touch $@

$(VENV)/.docs: $(VENV)/.training
	$(INSTALL) -e '.[docs]'
	touch $@

# Only its models are read: what it depends on, an older MuJoCo among it, stays out.
official: $(OFFICIAL)

$(OFFICIAL): $(VENV)/.training
	$(BIN)/python -m pip install -q --no-deps metaworld==$(METAWORLD)
	touch $@

oracle: $(ORACLE)/.installed

$(ORACLE)/.installed:
	$(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/python -m pip install -q metaworld==$(METAWORLD) mujoco==3.3.0 gymnasium==1.4.0 packaging
	touch $@

clean:
	rm -rf $(VENV) $(ORACLE) build site *.egg-info
