# Everything a stranger needs: `make demo` and `make test` set themselves up (Python 3.11 or newer, and make).
.DEFAULT_GOAL := demo
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c "$(NEW_ENOUGH)" 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUNS := $(VENV)/.ready-to-run
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-bench
QUICK := $(addprefix tests/test_,layers.py docs.py mappings.py fields.py decode.py routes.py signatures.py quota.py \
	times.py normalisation.py contact_hours.py contact_rules.py reasons.py destinations.py vendor_answers.py \
	unexpected_answers.py wolkvox_destination.py tracksale_dispatch.py tracksale_links.py settings.py log.py)

.PHONY: demo help test quick sender check format docs catalogues screenshots contact-proofs simulate recovery outage soak bench compare sbom clean

help:
	@echo 'make demo       the whole product at work, on simulated vendors and a throw-away database'
	@echo 'make quick      tests that need no server and start no process: a minute'
	@echo 'make test       all tests; what is missing is skipped, with its reason'
	@echo 'make sender     NAME=acme: the tests of one sender'
	@echo 'make check      format, lint, types'
	@echo 'make simulate   worlds played by chance: processes die, networks lie'
	@echo 'make docs       the pages that are made of the code'
	@echo 'make recovery   workers killed while leads come: how long leads wait'
	@echo 'make outage     a database killed under load: what is lost, what is there twice'
	@echo 'make soak       run and web under all attacks at once: MINUTES=10 of each'
	@echo 'make bench      figures beside a floor and rivals'
	@echo 'make compare    what steps cost, counted, beside docs/performance.json'
	@echo 'make sbom       what is installed to run it, as a CycloneDX bill of materials'
	@echo 'make clean      what was made to run this tree; var/ with its database stays'

demo: $(RUNS)
	$(BIN)/connector demo

# The broker and the database of the shell (AMQP_URL, DATABASE_URL) are never touched: only those of TEST_AMQP_URL and
# TEST_DATABASE_URL, or what listens at 127.0.0.1. A broker is stopped and started only with TEST_RESTARTS_BROKER=1.
test: $(READY)
	@echo 'About 20 minutes on two cores with Postgres and RabbitMQ, less without; make quick takes one.'
	@echo 'What is missing is skipped, and said at the end with its reason.'
	$(BIN)/python -m pytest -rsR -m "not restarts_broker"
	$(BIN)/python -m pytest -rsR -m restarts_broker --numprocesses=0

# What needs no server and starts no process: a first answer in less than a minute.
quick: $(READY)
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest --numprocesses=auto -m "not restarts_broker and not slow" $(QUICK)

# Proves a sender: its payloads, that forged requests are refused, that no odd payload is anything but an event,
# ignored or invalid. make sender NAME=acme
sender: $(READY)
	@test -n "$(NAME)" || { echo 'which sender? make sender NAME=acme'; exit 1; }
	$(BIN)/python -m pytest tests/test_senders.py tests/test_mappings.py tests/test_cases.py -k "$(NAME)"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the pages that are made from the code.
docs: $(READY)
	$(BIN)/python -m tests.documents

# Adds new phrases to the catalogues, and says how many have no translation yet.
catalogues: $(READY)
	$(BIN)/python -m tests.catalogues

# What is promised of contacting people, tried at length: a thousand races of processes, hundreds of sequences.
contact-proofs: $(READY)
	CONTACT_RACES=1000 CONTACT_EXAMPLES=300 $(BIN)/python -m pytest -n 0 --timeout 3600 \
		tests/test_contact_races.py tests/test_contact_sequences.py

# Plays worlds by chance: processes die, networks lie, people decide. ONLY=SEED shows one; MUTANTS=1 plants faults;
# SERVER=postgresql+psycopg://… plays on a Postgres server. WITHIN=SECONDS begins no further world then; it fails where
# fewer than AT_LEAST were played.
SEEDS ?= 1000
simulate: $(READY)
	$(BIN)/python -m tests.simulator --seeds $(SEEDS) $(if $(SERVER),--server $(SERVER)) $(if $(ONLY),--only $(ONLY)) $(if $(MUTANTS),--mutants) \
		$(if $(WITHIN),--within $(WITHIN)) $(if $(AT_LEAST),--at-least $(AT_LEAST))

# Workers killed ten times in twenty seconds while leads come, on both databases: some minutes. ANSWER=SECONDS: the vendor's.
ANSWER ?= 1
recovery: $(READY)
	$(BIN)/python -m tests.recovery --answer $(ANSWER) $(if $(HOLDS),--holds $(HOLDS))

# A Postgres of its own, killed under load and started again after AWAY seconds, ROUNDS times, with either kind of spool.
# REPLICA=1: it stays dead, and a standby that has every commit takes its place after AWAY seconds.
ROUNDS ?= 10
AWAY ?= 60
outage: $(READY)
	$(BIN)/python -m tests.outage --rounds $(ROUNDS) --away $(AWAY) $(if $(REPLICA),--replica)

# `run` and `web` under slow heads, unproved bodies, floods, combining marks and bombs at once, for MINUTES each.
MINUTES ?= 10
soak: $(READY)
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

# Fails where a step costs more than a tenth above docs/performance.json: counts, which are the same on every machine.
compare: $(READY)
	$(BIN)/python -m tests.bench.compare

bench: $(BENCH_READY)
	$(BIN)/python -m tests.bench $(WORK)

# What it needs to run; what its tests need comes on top. Every file is known by its hash; our own package brings nothing.
$(RUNS): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo 'Installing into $(VENV): a minute or less.'
	$(PIP) --require-hashes --requirement requirements.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(READY): $(RUNS) tests/requirements.txt
	@echo 'Installing what the tests need into $(VENV).'
	$(PIP) --require-hashes --requirement tests/requirements.txt
	@touch $@

$(BENCH_READY): $(READY) tests/bench/requirements.txt
	$(PIP) --require-hashes --requirement tests/bench/requirements.txt
	@touch $@

# What is installed to run it, in CycloneDX: sbom.json. Its tool has a place of its own.
sbom:
	$(PYTHON) -m venv $(VENV)-sbom
	$(VENV)-sbom/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement config/sbom-requirements.txt
	$(VENV)-sbom/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json

clean:
	rm -rf $(VENV) $(VENV)-sbom sbom.json *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Pictures of every page of the console, in three languages, light and dark, narrow and wide; needs Debian's chromium-driver.
screenshots: $(READY)
	$(BIN)/python -m tests.screenshots
