# Everything that is done with this repository. `make` alone lists it.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := alma_leads bench migrations tests $(wildcard *.py)

.DEFAULT_GOAL := help
.PHONY: help run flask test coverage lint format types check bench chaos hostile house lighthouse screenshots lock clean install install-dev chromium

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## serve the form, the desk and the API, with mail delivery, until Ctrl-C
	@exec $(BIN)/python -m alma_leads

flask: install ## run a command of the application: make flask ARGS="people list"
	@exec $(BIN)/flask --app wsgi $(ARGS)

test: install-dev chromium ## run the whole suite, on SQLite and on a PostgreSQL of its own
	$(BIN)/python -m pytest -n auto $(ARGS)

coverage: install-dev chromium ## run the suite and say which lines and branches it did not reach
	$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing $(ARGS)

lint: install-dev ## look for mistakes, in Python and in templates
	$(BIN)/ruff check .
	$(BIN)/djlint templates --lint --quiet

format: install-dev ## format Python
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

types: install-dev ## check types
	$(BIN)/mypy $(SOURCES)

check: install-dev ## everything that can be said without running: format, lint, types, layers
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory lint types
	$(BIN)/lint-imports

bench: install-dev ## measure what each layer costs, side by side with the bare floor
	$(BIN)/python -m bench $(ARGS)

chaos: install-dev ## kill every process at random while leads come in, and count what was lost
	$(BIN)/python -m bench.chaos $(ARGS)

hostile: install-dev ## let one client do its worst, and time what another one waits meanwhile
	$(BIN)/python -m bench.hostile $(ARGS)

house: install-dev ## count how the code is built: statements in strings, crowded folders, circles, size
	@$(BIN)/python -m bench.house $(ARGS)

lighthouse: install-dev chromium .venv/.compressed ## ask Lighthouse about the form, the desk and a lead (needs npx)
	$(BIN)/python -m bench.lighthouse

screenshots: install-dev chromium ## make the pictures of every page anew
	$(BIN)/python -m docs.screenshots

lock: $(BIN)/uv ## resolve the requirements anew, with hashes
	$(BIN)/uv pip compile $(LOCK) requirements-uv.in -o requirements-uv.txt
	$(BIN)/uv pip compile $(LOCK) requirements.in -o requirements.txt
	$(BIN)/uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt

clean: ## remove what was made, but never .env or instance/
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results htmlcov .coverage
	find static -name '*.gz' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the targets above need. The files in .venv are stamps: each step is done once, and again when its input changed.

VENV_PACKAGE = $(shell $(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
LOCK := --system-certs --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header
STATIC := $(shell find static -type f ! -name '*.gz')

install: .venv/.installed .venv/.compressed

install-dev: .venv/.installed-dev

# Packages of the system: root on Debian gets them; anyone else is told in one line which are missing.
apt = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Installing $(1) (once) …" && apt-get update -qq \
&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null 2>&1; }
missing = { echo "Missing: $(1). Install it (on Debian, as root: apt-get install $(1)) and run make again." >&2; exit 1; }

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call apt,$(VENV_PACKAGE)) || $(call missing,$(VENV_PACKAGE))
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# uv installs in seconds what takes pip a minute; where it cannot be had, pip does.
$(BIN)/uv: requirements-uv.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< || true
	@touch -c $@

.venv/.installed: requirements.txt | $(BIN)/python
	@echo "Installing the requirements (once) …"
	@$(call install_from,$<)
	@$(BIN)/python -m compileall -q alma_leads *.py
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "Installing what the tests need (once) …"
	@$(call install_from,$<)
	@touch $@

.venv/.compressed: .venv/.installed $(STATIC)
	@find static -name '*.gz' -delete
	@$(BIN)/python -m whitenoise.compress --quiet --no-brotli static
	@touch $@

# uv first with the certificates of this machine, as pip and git use them; where it fails for any reason, pip.
define install_from
$(MAKE) --no-print-directory --silent $(BIN)/uv; \
{ [ -x $(BIN)/uv ] && VIRTUAL_ENV=.venv $(BIN)/uv pip install --system-certs --quiet --require-hashes --compile-bytecode -r $(1) 2>.venv/uv.log; } \
|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
endef

# Playwright's own Node.js needs libatomic1. Where Debian's Chromium cannot be had, Playwright downloads one.
STARTS := $(BIN)/python -m tests.support.browser
chromium: install-dev
	@$(BIN)/playwright --version >/dev/null 2>&1 || $(call apt,libatomic1) || $(call missing,libatomic1 chromium)
	@$(STARTS) 2>/dev/null || { $(call apt,chromium) && $(STARTS); } \
	|| { $(BIN)/playwright install $$([ "$$(id -u)" != 0 ] || echo --with-deps) chromium >/dev/null 2>&1; $(STARTS); }
