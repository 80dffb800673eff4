# `make run` sets everything up and opens the program; `make test` sets everything up and passes the tests.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: run test check bench starter

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -e '.[test]'
	touch $@

run: .venv/ready
	$(BIN)/latent-explorer

test: .venv/ready
	$(BIN)/python -m pytest

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m benchmarks --json benchmarks.json

# The run that the program opens on, made again from its seed.
starter: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/latent-explorer train vae --data digits --set width=192 --seed 0 --out resources/digits-vae.safetensors
