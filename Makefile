# The commands of a newcomer are `make demo` and `make test`; both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-all lint types bench clean

help:
	@echo "make setup     install everything into $(VENV)"
	@echo "make demo      run the main job on synthetic speech; prints scores and the path of a page"
	@echo "make test      lint, types and tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make bench     measure speed; results in benchmarks/results"
	@echo "make clean     remove $(VENV) and all caches"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "sepvae needs Python 3.11 or newer: make setup PYTHON=python3.11"; exit 1; }
	@test -x "$(BIN)/python" || $(PYTHON) -m venv "$(VENV)" \
		|| { echo "python has no venv module: install the package python3-venv"; exit 1; }
	@rm -f "$(STAMP)"
	@echo "Installing into $(VENV) (PyTorch is large: this takes a minute or more) …"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[pesq]' \
		|| echo "WARNING: pesq could not be built (it needs a C compiler): results will have no PESQ columns."
	@touch "$(STAMP)"

demo: setup
	@"$(BIN)/sepvae" recipe run recipes/demo.yaml --out out/demo

lint: setup
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/codespell" $$(git ls-files '*.py' '*.md' '*.yaml' '*.toml' 'Makefile')

types: setup
	"$(BIN)/mypy"

# One thread a process: two processes of two threads each fight for two cores.
test: lint types
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2 -m "not slow"

test-all: lint types
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2

bench: setup
	@for script in benchmarks/*.py; do echo "== $$script"; "$(BIN)/python" "$$script" || exit 1; done

clean:
	rm -rf "$(VENV)" build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
