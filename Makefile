# A fresh machine needs Python 3.11 and pip. `make demo` and `make test` set up .venv by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
TORCH := $(shell grep -o '^torch==.*' constraints.txt)

export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: setup demo test test-all mutants lint types clean

setup: $(STAMP)

# torch comes first and alone: pip then takes the CPU wheel where there is one, and keeps it. Without compilation: Python
# compiles what is imported, and most of these files never are.
$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): a few minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --no-compile $(TORCH)
	$(BIN)/python -m pip install -qq --no-compile -c constraints.txt -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python -m scripts.demo

# A file at a time per worker: each keeps one replay process warm.
WORKERS ?= 2

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --durations 10 -m "not slow" $(TESTS)

# With more architectures, and many more random graphs.
test-all: test
	$(BIN)/python -m pytest -q -n $(WORKERS) -m slow $(TESTS)
	RANDOM_GRAPHS=2000 $(BIN)/python -m pytest -q -n $(WORKERS) tests/passes/layout/test_random_graphs.py

# Rules changed on purpose: the tests must notice. Half an hour.
mutants: $(STAMP)
	$(BIN)/python -m scripts.mutants --workers $(WORKERS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
