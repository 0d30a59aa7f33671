# What a person or a CI does with kernelbus. `make serve` and `make test` install by themselves.

PYTHON ?= python3
PORT ?= 31415
INTERFACE ?=
CONFIG ?=
FUZZ_SECONDS ?= 300
SOAK_SECONDS ?= 1800
SOAK_SEED ?= 0
SOAK_REPORT ?= build/soak.json
PYTEST_ARGS ?=
PICTURES ?=
WSTP_LIBRARY ?=
WSTP_LIBRARY_OLD ?=
JLINK_JAR ?=
# One more than there are cores, up to 4, since many tests wait for something.
TEST_WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')

BIN := .venv/bin
# What a server needs is in .venv; and what tests and linters need, too.
SERVER := .venv/.server
STAMP := .venv/.installed
# mkdocs-material tells of its successor at every start. With --quiet, --strict would find nothing.
MKDOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UPGRADE ?=
LOCK = echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate \
  --custom-compile-command 'make lock' $(UPGRADE) pyproject.toml -

.PHONY: help install lock serve test browser interop lint docs fuzz soak bench clean

help:
	@echo 'make serve    install and serve (PORT=$(PORT) INTERFACE=$(INTERFACE) CONFIG=$(CONFIG))'
	@echo 'make test     install and run the tests (PYTEST_ARGS=...)'
	@echo 'make browser  run the tests with a real browser, the Chromium of this machine (PICTURES=1: write the pictures of docs/)'
	@echo 'make lint     install and run ruff, mypy and the checks of the documentation'
	@echo 'make docs     build the documentation into site/'
	@echo 'make interop  run the tests with C libraries (WSTP_LIBRARY=... WSTP_LIBRARY_OLD=... JLINK_JAR=...)'
	@echo 'make install  make .venv from requirements-dev.lock; instant when nothing changed'
	@echo 'make lock     write the lock files anew (UPGRADE=--upgrade takes the newest versions)'
	@echo 'make fuzz     random bytes for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make soak     good and hostile clients, and killed parts, for SOAK_SECONDS=$(SOAK_SECONDS) (SOAK_SEED=... SOAK_REPORT=$(SOAK_REPORT))'
	@echo 'make bench    measure'
	@echo 'make clean    remove .venv and caches'

install: $(STAMP)

# Nothing is installed whose hash the lock does not have, the build backend included. $(1) is the lock, $(2) the stamp.
# A virtual environment begun and not finished has no stamp, and is made anew.
define INSTALL
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kernelbus needs Python 3.11 or later, $(PYTHON) is %d.%d: say make PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@echo 'installing into .venv (about a minute, once) ...'
	@test -x $(BIN)/python && { test -f $(SERVER) || test -f $(STAMP); } || $(PYTHON) -m venv --clear .venv
	@$(PIP) install --require-hashes --only-binary uvloop,woxi --requirement $(1) \
	  || { echo "once more without uvloop and woxi, in case this machine has no wheel of them (asyncio's own loop serves then; there is no second engine)"; \
	       sed -E '/^(uvloop|woxi)/,/[^\\]$$/d' $(1) | $(PIP) install --require-hashes --requirement /dev/stdin; }
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(2)
endef

$(SERVER): pyproject.toml requirements.lock
	$(call INSTALL,requirements.lock,$(SERVER))

$(STAMP): pyproject.toml requirements-dev.lock
	$(call INSTALL,requirements-dev.lock,$(SERVER) $(STAMP))

# What is locked stays as it is where pyproject.toml allows it; `make lock UPGRADE=--upgrade` takes the newest.
lock: $(STAMP)
	$(LOCK) --python-version 3.11 --extra all --output-file requirements.lock
	$(LOCK) --python-version 3.11.5 --extra all --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	$(BIN)/python tests/support/audit.py

serve: $(SERVER)
	@exec $(BIN)/kernelbus serve --port $(PORT) \
	  $(if $(INTERFACE),--interface $(INTERFACE)) $(if $(CONFIG),--configuration-file $(CONFIG))

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

# Chromium's tests wait for pages: their servers and notebooks need the processors.
browser: $(STAMP)
	KERNELBUS_PICTURES=$(PICTURES) $(BIN)/python -m pytest -q -rs -m browser -n 0 tests/browser $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tests/support/audit.py
	$(BIN)/python docs/generate.py --check
	$(MKDOCS)

docs: $(STAMP)
	$(BIN)/python docs/generate.py
	$(MKDOCS)

# Each test runs with each library that is named; a file's tests stay together, with their server.
interop: export WSTP_LIBRARY := $(WSTP_LIBRARY)
interop: export WSTP_LIBRARY_OLD := $(WSTP_LIBRARY_OLD)
interop: export JLINK_JAR := $(JLINK_JAR)
interop: $(STAMP)
	@test -n "$$WSTP_LIBRARY$$WSTP_LIBRARY_OLD" || { echo 'name a library: make interop WSTP_LIBRARY=/path/to/libWSTP64i4.so'; exit 1; }
	$(BIN)/python -m pytest -q -rs -n 2 --dist loadfile tests/interop $(PYTEST_ARGS)

fuzz: $(STAMP)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -q -m fuzz --timeout=0 $(PYTEST_ARGS)

soak: $(STAMP)
	$(BIN)/python tests/soak/soak.py --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED) --report $(SOAK_REPORT)

# Each script measures one thing and prints its table; names that begin with _ are what they share.
bench: $(STAMP)
	@for script in benchmarks/[!_]*.py; do \
	  test -f "$$script" || { echo 'there is nothing in benchmarks/ to run'; exit 1; }; \
	  echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
