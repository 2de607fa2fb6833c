# make train [ARGS="task=MT10 train=TOPPO seed=1"]   train; any Hydra override goes into ARGS
# make test [WORKERS=2]                              the test suite, in so many processes
# Both build .venv from constraints.txt first, once.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?= task=MT10 train=TOPPO
WORKERS ?= 2

.PHONY: train test test-slow lint venv clean

train: venv
	$(BIN)/python train.py $(ARGS)

test: venv
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-slow: venv
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

clean:
	rm -rf $(VENV) build *.egg-info
