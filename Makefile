# The commands of a newcomer are `make demo` and `make test`; both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := "$(BIN)/python" -m pip install --disable-pip-version-check -c constraints.txt
SHELL := bash

.PHONY: help setup demo lint types test test-all tables tables-check bench clean

help:
	@echo "make setup     install everything into $(VENV) (another Python: make setup PYTHON=python3.12)"
	@echo "make demo      run the main job on synthetic speech; prints scores and the path of a page"
	@echo "make test      lint, types and tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make lint      ruff, codespell and the tables of the READMEs alone"
	@echo "make tables    make the tables of the READMEs from the results beside the recipes"
	@echo "make types     mypy alone"
	@echo "make bench     measure speed; results in benchmarks/results"
	@echo "make clean     remove $(VENV) and all caches"

setup: $(STAMP)

# The stamp goes first and comes back last: an installation that was interrupted is done again.
$(STAMP): pyproject.toml constraints.txt
	@rm -f "$(STAMP)"
	@command -v "$(PYTHON)" >/dev/null \
		|| { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name it: make setup PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$$("$(PYTHON)" --version) is too old: sepvae needs 3.11 or newer, as in make setup PYTHON=python3.11"; exit 1; }
	@"$(BIN)/python" -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear "$(VENV)" \
		|| { echo "No environment could be made: install Python's venv module (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "Installing into $(VENV): PyTorch is large, this takes minutes on a slow line …"
	@set -o pipefail; $(PIP) -e '.[dev]' 2> >(grep -v '^WARNING' >&2) | awk '/Downloading .*[0-9][0-9]\.[0-9] MB/ || /^Building/ { print; fflush() } \
		/^Installing collected/ { print "  Unpacking " NF - 3 " packages"; fflush() }'
	@$(PIP) --quiet -e '.[pesq]' >"$(VENV)/pesq.log" 2>&1 \
		|| echo "WARNING: pesq could not be built (it needs a C compiler and Python's headers; see $(VENV)/pesq.log):" \
			"results will have no values in the columns pesq_nb and pesq_wb."
	@touch "$(STAMP)"

demo: setup
	@"$(BIN)/sepvae" corpus demo out/demo_voices --speakers 4 -q
	@"$(BIN)/sepvae" mix out/demo_voices -o out/demo_at_once.jsonl --audio out/demo_at_once --set n_train=0 --set n_valid=0 \
		--set n_test=1 --overwrite -q >out/demo_at_once.log
	@"$(BIN)/sepvae" separate out/demo_at_once/test/mixture/*.wav -o out/demo_at_once/separated --overwrite
	@echo "That was the model any-talkers, which comes with sepvae. Now models learn these voices, which takes minutes."
	@"$(BIN)/sepvae" recipe run demo --out out/demo

lint: setup tables-check
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/codespell" $$(git ls-files '*.py' '.ci/*' '*.md' '*.yaml' '*.toml' 'Makefile')

tables: setup
	"$(BIN)/python" recipes/tables.py write

tables-check: setup
	"$(BIN)/python" recipes/tables.py check

types: setup
	"$(BIN)/mypy"

# One thread a process: two processes of two threads each fight for two cores.
test: lint types
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2 --dist worksteal -m "not slow"

test-all: lint types
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2 --dist worksteal

bench: setup
	@for script in benchmarks/*.py; do echo "== $$script"; "$(BIN)/python" "$$script" || exit 1; done

clean:
	rm -rf "$(VENV)" build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
