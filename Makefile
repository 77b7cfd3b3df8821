# Each target sets up what it needs in .venv, on a machine with only Python >= 3.11, pip and make.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: demo test slow lint bench docs clean

demo: .venv/runtime
	rm -rf runs/demo
	$(BIN)/convsmith fit fashion-mini --time 2m --out runs/demo

test: .venv/dev
	$(BIN)/pytest -n 2

slow: .venv/dev
	$(BIN)/pytest -m slow

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench
	$(BIN)/python benchmarks/table.py

docs: .venv/dev
	$(BIN)/zensical build --strict

clean:
	rm -rf .venv site

# torch comes first and by version: a range would bring the newest build with gigabytes of CUDA.
.venv/runtime: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "convsmith needs Python 3.11 or newer on the PATH"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/dev: .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,cluster]'
	touch $@

# The counters that we compare with would pull in torchvision, which has no build for this torch.
.venv/bench: .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt yacs iopath termcolor tabulate tqdm
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps fvcore torchinfo ptflops
	touch $@
