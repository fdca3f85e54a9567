# One command each. `make help` says which; nothing has to be installed by hand first.
#
# Every target that needs something installs it: Debian packages from deploy/packages/ (with sudo unless you are root),
# the Python environment .venv from requirements/, npm packages from package-lock.json. What is there is not touched.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PACKAGES := deploy/packages
INSTALL_PACKAGES := $(PACKAGES)/install
# A private index or a folder of wheels must not find its way into the lock.
PIP_COMPILE := env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe \
  --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --no-annotate \
  --no-header $(if $(UPGRADE),--upgrade)

quoted = '$(subst ','\'',$(1))'
# `make demo LAN=1` and `make demo LAN=0` mean what they look like.
is_on = $(filter-out 0 no false,$(1))
DEMO_OPTIONS = \
  $(if $(CAMERA),--camera $(call quoted,$(CAMERA))) \
  $(if $(MICROPHONE),--microphone $(call quoted,$(MICROPHONE))) \
  $(if $(BOARD),--board $(call quoted,$(BOARD))) \
  $(if $(ROOMS),--rooms $(call quoted,$(ROOMS))) \
  $(if $(call is_on,$(LAN)),--lan) \
  $(if $(call is_on,$(START)),--start) \
  $(if $(call is_on,$(JSON)),--json) \
  $(if $(call is_on,$(FRESH)),--fresh)

.PHONY: help install install-demo install-check python npm demo check test bench clean lock

help: ## Say what there is
	@echo 'Estrade: make any classroom hybrid.'
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18
	@echo
	@echo '  make demo takes CAMERA=/dev/video0 MICROPHONE=default BOARD=:0 LAN=1 ROOMS=20 START=1 JSON=1 FRESH=1'
	@echo '  make test takes ARGS="tests/unit -k lesson"; make bench takes BENCH=lesson; PYTHON=python3.13 chooses another Python.'

install: ## Install everything that demo, tests and benchmarks need
	@$(INSTALL_PACKAGES) $(PACKAGES)/*.txt
	@$(MAKE) python npm
	@echo 'Everything that demo, tests and benchmarks need is there.'

install-demo:
	@$(INSTALL_PACKAGES) $(addprefix $(PACKAGES)/,build.txt agent.txt controller.txt demo.txt)
	@$(MAKE) python

install-check:
	@$(INSTALL_PACKAGES) $(addprefix $(PACKAGES)/,build.txt node.txt)
	@$(MAKE) python npm

demo: install-demo ## Start a broker, a controller and one room here, and print three links
	@exec $(BIN)/estrade demo $(DEMO_OPTIONS)

check: install-check ## Check form and types: ruff, mypy, import-linter, generated files, tsc
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m protocol.schema --check
	npx --no-install tsc -p .

# Most tests wait most of the time, for processes, pages and deadlines: three at a time keep two cores busy. Tests that
# hold a time to a bar are marked as timed and run three at a time; those marked as alone fill the machine and have it
# for themselves. Only files that have the mark are read for it: reading them all takes as long as several tests. The
# longest begin first, or one worker would go on when the others have nothing left. The virtual machine takes a core:
# the fourth file follows it on the same worker, and browsers come last, as they would take most of the other.
WORKERS ?= 3
LONGEST := tests/vm/test_vm.py tests/integration/agent/test_health.py tests/integration/devices/test_rtsp.py \
  tests/browser/test_faults.py
marked = $(shell grep -rl --include='test_*.py' 'mark\.$(1)\b' tests | sort)
others = $(filter-out $(LONGEST),$(call marked,timed))
timed = $(LONGEST) $(filter-out tests/browser/%,$(others)) $(filter tests/browser/%,$(others))

test: install ## Run every test; a missing peer is a failure
ifneq (,$(findstring tests/,$(ARGS))$(findstring -k,$(ARGS)))
	REQUIRE_PEERS=1 $(BIN)/pytest $(ARGS)
else
	@failed=0; \
	REQUIRE_PEERS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS) -m 'not alone and not timed' tests || failed=$$?; \
	REQUIRE_PEERS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS) -m timed $(timed) || failed=$$?; \
	REQUIRE_PEERS=1 $(BIN)/pytest $(ARGS) -m alone $(call marked,alone) || failed=$$?; \
	exit $$failed
endif

bench: install ## Run the benchmarks, or the one that BENCH names
	@for file in $(if $(BENCH),benchmarks/$(BENCH).py,$$(grep -l '__main__' benchmarks/*.py)); do \
	  name=$$(basename "$$file" .py); echo "== $$name"; $(BIN)/python -m "benchmarks.$$name" --json; \
	done

clean: ## Remove what builds and tests leave (.venv and node_modules stay)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -not -path './node_modules/*' -prune -exec rm -rf {} +

lock: install-check ## Write requirements/*.txt anew from pyproject.toml (UPGRADE=1 takes newer versions)
	$(PIP_COMPILE) --output-file requirements/build.txt requirements/build.in
	$(PIP_COMPILE) --all-extras --output-file requirements/lock.txt pyproject.toml requirements/build.txt
	$(PIP_COMPILE) --extra agent --constraint requirements/lock.txt --output-file requirements/agent.txt pyproject.toml
	$(PIP_COMPILE) --extra controller --extra postgres --constraint requirements/lock.txt --output-file requirements/controller.txt pyproject.toml

python: $(STAMPS)/project
	@:

# pip and setuptools come first and pinned: PyAudio is built from source, and with --require-hashes pip would fetch
# unpinned build tools for it; with --no-build-isolation it uses these instead.
$(STAMPS)/build: requirements/build.txt
	@command -v $(PYTHON) >/dev/null || { echo 'There is no $(PYTHON) here: say which Python to use with make PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"$(PYTHON) is Python {sys.version.split()[0]}; Estrade needs 3.11 or newer: say which with make PYTHON=…")'
	@echo 'Making the Python environment in $(VENV) …'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/lock: requirements/lock.txt $(STAMPS)/build
	@echo 'Installing the Python packages of requirements/lock.txt (about a minute) …'
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-build-isolation -r requirements/lock.txt
	@touch $@

# pip builds what is written in C beside its source.
$(STAMPS)/project: pyproject.toml setup.py $(wildcard agent/*/*.c) $(STAMPS)/lock
	@PYTHONWARNINGS='ignore:Editable installation' \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

npm: node_modules/.stamp
	@:

# No package of ours needs a script of its own to be installed.
node_modules/.stamp: package.json package-lock.json
	@echo 'Installing the npm packages of package-lock.json …'
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
