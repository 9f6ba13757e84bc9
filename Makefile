# Targets stay this thin: the work is in local/*.py, whose first steps need nothing but Python.
PYTHON = python3
PORT = 7071
STATE = .local
RELOAD =
USER = alice
ROLES = user
TENANT = acme

SETUP = @command -v $(PYTHON) >/dev/null || { \
	  echo "Python 3.11 or newer is needed and $(PYTHON) is not on the PATH: install python3." >&2; \
	  exit 1; }; \
	$(PYTHON) -m local.setup --state '$(STATE)'
VENV = @exec .venv/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help run test check token clean

help:
	@sed -n 's/^## \{0,1\}//p' Makefile

## make run    starts the whole system at http://localhost:7071: API, call page, timers, queues,
##             storage (Azurite) and Janus, after setting up what it needs. Ctrl-C ends it all.
##             PORT=7071 STATE=.local (data and logs) RELOAD=1 (restart when a source changes)
run:
	$(SETUP) run
	$(VENV) local.run --port '$(PORT)' --state '$(STATE)' $(if $(RELOAD),--reload)

## make test   sets up what it needs and runs all tests
test:
	$(SETUP) test
	$(VENV) local.checks test

## make check  formatting, lint and types
check:
	$(SETUP) check
	$(VENV) local.checks check

## make token  prints a bearer token for the running system: USER=alice ROLES=user TENANT=acme
token:
	$(SETUP) token
	$(VENV) local.token --user '$(USER)' --roles '$(ROLES)' --tenant '$(TENANT)' --port '$(PORT)'

## make clean  removes what was installed and built; keeps your data and local.settings.json
clean:
	@rm -rf .venv local/node_modules web/node_modules web/dist
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
