# Needs Python 3.11 or newer and make; the rest is installed into .venv.
# Every path is relative, so that the checkout can be below folders with spaces in their names.

export PYTHON
# If an image sets it, each process compiles everything again, and tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: another-python help run test test-slow test-browser pictures test-all sdk sdk-js clients conformance verifiers check check-types check-secrets check-style check-schema fix measure-code bench bench-full bench-report drill drill-scaling soak lock words screenshots schema sbom audit clean

help: ## Show this list
	@echo 'Usage: make TARGET [ARGS="..."] [PYTHON=/path/to/python3]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

run: .venv/.runtime ## Start the service on http://localhost:8000/auth/docs; ARGS="--port 9000"
	@exec $(PY) -m keyfob.cli serve $(ARGS)

test: .venv/.dev ## Run the fast tests, with coverage (about six minutes on two cores); ARGS="tests/login -x" for some
	$(PY) -m pytest $(PARALLEL) $(if $(ARGS),$(ARGS),-m "not slow and not browser" --cov --cov-report=term)

test-slow: .venv/.dev ## Run what starts real processes, migrates data, or sends very many requests
	$(PY) -m pytest $(PARALLEL) -m slow $(ARGS)

test-browser: .venv/.dev ## Run what drives a browser (Chromium)
	$(PY) -m pytest $(PARALLEL) -m browser $(ARGS)

pictures: .venv/.dev ## Write anew what each page says to a screen reader (tests/web/aria); read the difference before you commit it
	PICTURES=new $(PY) -m pytest -q tests/web/test_every_page_in_chromium.py

# Whoever is done takes tests from another: the last ones are as long as hundreds of the others.
PARALLEL = -n logical --maxprocesses 8 --dist worksteal

test-all: ## Run every test on each Python from 3.11 up that this machine has; ARGS as above
	@scripts/test-all $(ARGS)

check: .venv/.dev ## Check style, spelling, types, architecture, schema, compose files, words, checklist, and for secrets
	@$(MAKE) --no-print-directory --jobs=2 check-types check-secrets check-style check-schema

check-types: .venv/.dev
	$(PY) -m mypy
	$(PY) -m mypy scripts

check-secrets: .venv/.dev
	$(PY) scripts/check_secrets.py

check-style: .venv/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	$(PY) -m bandit --quiet --recursive --configfile pyproject.toml src
	$(PY) -m yamllint --strict --config-data '$(YAML_RULES)' docker-compose*.yml .pre-commit-config.yaml .github
	$(PY) scripts/languages.py check
	$(PY) scripts/check_asvs.py

check-schema: .venv/.dev
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PY) -m keyfob.cli migrate --check-schema docs/schema.sql

fix: .venv/.dev ## Format, and fix what ruff can fix
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

measure-code: .venv/.dev ## Print measures of the code in src; ARGS="--check" fails if a limit is exceeded, "--places" lists
	$(PY) scripts/measure_code.py $(ARGS)

sdk: .venv/.runtime .sdk/python/.installed ## Test the package for other services, sdk/python; ARGS="tests/test_keys.py -x" for some
	cd sdk/python && ../../.sdk/python/bin/python -m pytest --quiet -n 2 --dist loadfile $(ARGS)

sdk-js: sdk/js/node_modules/.installed ## Check and test the package for browsers and Node.js, sdk/js; needs Node.js
	cd sdk/js && npm run --silent check && node --test tests/

clients: .venv/.dev ## Generate, compile and use a client in each language whose tools are installed; ARGS="go php"
	$(PY) -m clients $(ARGS)

conformance: .venv/.dev ## Try the provider with other people's clients, and with the OpenID suite where KEYFOB_CONFORMANCE_URL names one; ARGS="basic"
	$(PY) -m clients $(FOREIGN)
	$(PY) -m conformance $(ARGS)

# What cannot be had on a machine is not tried, and said.
FOREIGN = oauth-python oauth-node oauth-go oauth-java oidc-client-ts mcp-python mcp-node apache

verifiers: .venv/.dev ## Run the programs of docs/verifying.md whose tools are installed; ARGS="go spring"
	$(PY) -m clients.verifying $(ARGS)

bench: .venv/.dev ## Measure the lines, beside the committed ratios; ARGS="refresh storm" for some
	$(PY) -m bench $(ARGS)

bench-full: .venv/.dev ## Measure everything, contestants too, and write docs/benchmarks.md; ARGS as above
	$(PY) -m bench --full $(ARGS); measured=$$?; $(MAKE) bench-report && exit $$measured

bench-report: .venv/.dev .bench/report/.installed ## Write docs/benchmarks.md and its plots from bench/results
	$(PY) -m bench.report
	.bench/report/bin/python -m bench.report.drawing
	$(PY) -m drills.scaling.page

drill: .venv/.dev ## Break the surroundings of the service and count losses; ARGS="worker-killed --quick"
	$(PY) -m drills $(ARGS)

drill-scaling: .venv/.dev ## Run balancers, standbys, poolers, shards; break them; write docs/scaling.md; ARGS="haproxy"
	$(PY) -m drills.scaling $(ARGS); broken=$$?; $(PY) -m drills.scaling.page && exit $$broken

soak: .venv/.dev ## Mixed load for half an hour: nothing grows, leaks or fails; ARGS="--minutes 2"
	$(PY) -m drills.soak $(ARGS)

lock: .venv/.dev ## Compile requirements/*.in into hashed pins; ARGS="--upgrade" takes newer ones
	$(LOCK) --output-file requirements/runtime.txt requirements/runtime.in
	$(LOCK) --output-file requirements/dev.txt --constraint requirements/runtime.txt requirements/dev.in
	$(LOCK) --output-file requirements/audit.txt requirements/audit.in
	$(LOCK) --output-file clients/python/requirements.txt clients/python/requirements.in
	$(LOCK) --output-file clients/oauth-python/requirements.txt clients/oauth-python/requirements.in
	$(LOCK) --output-file clients/mcp-python/requirements.txt clients/mcp-python/requirements.in
	$(LOCK) --output-file clients/verifying/python/requirements.txt clients/verifying/python/requirements.in
	$(LOCK) --output-file sdk/python/requirements.txt sdk/python/requirements.in
	$(LOCK) --output-file bench/report/requirements.txt bench/report/requirements.in

words: .venv/.dev ## Collect the marked words of code and templates into src/keyfob/locale, and compile them
	$(PY) scripts/languages.py update
	$(PY) scripts/languages.py missing

screenshots: .venv/.dev ## Write docs/screenshots: every page, light and dark, wide and small; needs Chromium
	$(PY) scripts/screenshots.py

schema: .venv/.dev ## Write docs/schema.sql from the migrations
	$(PY) -m keyfob.cli migrate --write-schema docs/schema.sql

audit: .venv-audit/.installed ## Check the pins for known vulnerabilities; needs the network
	.venv-audit/bin/python -m pip_audit --strict --progress-spinner off --disable-pip --require-hashes --requirement requirements/runtime.txt

sbom: .venv/.dev ## Write sbom.json (CycloneDX), the components of the service
	$(PY) scripts/write_sbom.py

clean: ## Remove .venv and every cache; the data folder .keyfob stays
	rm -rf .venv .venv-* .bench .clients .sdk sdk/js/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache htmlcov build dist
	rm -f .coverage .coverage.* coverage.xml sbom.json
	find src tests bench clients drills examples sdk -name __pycache__ -type d -prune -exec rm -rf {} +

# One set of pins for every supported Python and platform, naming no index.
LOCK = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links $(ARGS)

YAML_RULES = {extends: default, rules: {document-start: disable, line-length: {max: 120}}}

# Stamps: packages stay installed until their pins, or the Python, change.
.venv/.runtime: .venv/bin/python requirements/runtime.txt scripts/install
	@scripts/install requirements/runtime.txt
	@touch $@

# One after the other if both are needed: only one installation at a time (`make -j run test`).
.venv/.dev: .venv/bin/python requirements/dev.txt scripts/install | $(filter .venv/.runtime,$(MAKECMDGOALS:run=.venv/.runtime))
	@scripts/install requirements/dev.txt
	@touch .venv/.runtime $@

.bench/report/.installed: bench/report/requirements.txt scripts/install
	@scripts/install bench/report/requirements.txt .bench/report
	@touch $@

sdk/js/node_modules/.installed: sdk/js/package-lock.json
	cd sdk/js && npm ci --no-audit --no-fund --silent
	@touch $@

.sdk/python/.installed: sdk/python/requirements.txt scripts/install
	@scripts/install sdk/python/requirements.txt .sdk/python
	@touch $@

.venv-audit/.installed: requirements/audit.txt scripts/install
	@scripts/install requirements/audit.txt .venv-audit
	@touch $@

# Made by scripts/install; listed so that a .venv whose Python was removed is made again.
.venv/bin/python: ;

# If PYTHON is set and differs from the one in .venv, everything is installed again.
WHICH := import sys; print(sys.base_prefix, sys.version)
ifneq ($(PYTHON),)
ifneq ($(shell "$(PYTHON)" -c '$(WHICH)' 2>&1),$(shell $(PY) -c '$(WHICH)' 2>&1))
.venv/.runtime .venv/.dev: another-python
endif
endif
another-python: ;
