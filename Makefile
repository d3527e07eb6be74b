# Everything a user runs. The virtual environment is made here and nothing outside it is touched,
# but for `make deps`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src -name '*.py[xd]' -o -name '*.h') setup.py pyproject.toml

.PHONY: demo test deps interop lint bench docs wheel sanitize clean

demo: $(VENV)/.built
	$(BIN)/dialout demo --output demo-out

test: $(VENV)/.built
	$(BIN)/python -m pytest

# Debian packages of third-party programs that the interoperation tests drive; needs root.
deps:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tshark

interop: $(VENV)/.built
	$(BIN)/python -m pytest tests/interop

lint: $(VENV)/.built
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.built
	$(BIN)/python -m pytest benchmarks --benchmark-columns=median,stddev,rounds

# What the code itself says, written into the documents between their marks.
docs: $(VENV)/.built
	$(BIN)/python docs/generate.py

wheel:
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .

# The same tests on a build with bounds checks, AddressSanitizer and UBSan, in its own directory.
sanitize: $(VENV)/.built
	./tests/sanitize.sh

$(VENV)/.built: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade \
		"setuptools>=68" wheel "cython>=3.2" "numpy>=1.26"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		--editable ".[test,lint]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo-out src/dialout.egg-info
	find src -name '*.so' -delete
