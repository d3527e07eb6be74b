# Everything a user runs. The virtual environment is made here and nothing outside it is touched,
# but for `make deps`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
BUILT := $(VENV)/.built
TOOLS := $(VENV)/.tools
# Of each target of `make fuzz`.
SECONDS := 60
SOURCES := $(shell find src -name '*.py[xd]' -o -name '*.h') setup.py pyproject.toml

.PHONY: demo lab test deps interop lint bench docs wheel sanitize thread fuzz soak clean

demo: $(BUILT)
	$(BIN)/dialout demo --output demo-out

# The same live: home, router, LAC and remote site in four network namespaces; needs root and what
# `make deps` installs.
lab: $(BUILT)
	$(BIN)/python examples/lab/lab.py

test: $(TOOLS)
	$(BIN)/python -m pytest

# Debian packages of third-party programs that the interoperation tests drive, and of the DPDK that
# benchmarks compare with; needs root.
deps:
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tshark libdpdk-dev \
		pkg-config busybox-static kmod ppp qemu-system-x86 slirp xl2tpd \
		ethtool freeradius freeradius-utils groff-base frr iproute2 iputils-ping iperf3 procps systemd \
		chromium

interop: $(TOOLS)
	$(BIN)/python -m pytest tests/interop

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(TOOLS)
	$(BIN)/python -m pytest benchmarks --benchmark-columns=median,stddev,rounds

# Thirty days of random calls with faults and reloads, then a storm of triggers: in virtual time, some
# minutes each. SEED=n makes another run.
soak: $(BUILT)
	$(BIN)/dialout bench soak storm --seed $(or $(SEED),1)

# What the code itself says, written into the documents between their marks.
docs: $(BUILT)
	$(BIN)/python docs/generate.py

wheel: $(BUILT)
	$(PIP) wheel --no-deps --wheel-dir dist .

# The same tests on a build with bounds checks, AddressSanitizer and UBSan, in its own directory.
sanitize: $(TOOLS)
	./tests/sanitize.sh

# Readers and a writer of versions on a build with ThreadSanitizer, in its own directory.
thread: $(TOOLS)
	./tests/thread.sh

# Every decoder, and all of it together, with coverage guidance: make fuzz SECONDS=600
fuzz: $(TOOLS)
	$(PIP) install "dialout[fuzz]"
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS)

$(BUILT): $(SOURCES)
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "setuptools>=68" wheel "cython>=3.2" "numpy>=1.26"
	$(PIP) install --no-build-isolation --editable .
	touch $@

# Of a package that is there pip installs the extras only: nothing is compiled again.
$(TOOLS): $(BUILT)
	$(PIP) install "dialout[test,lint,mschap]"
	touch $@

clean:
	rm -rf $(VENV) build dist demo-out src/dialout.egg-info
	find src -name '*.so' -delete
