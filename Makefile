# The commands of the README. Everything is installed into .venv, at the versions in constraints.txt.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test check format lock page notebooks screenshots speed clean

help:  ## list these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.listening  ## install the listening half and hear the sample recordings
	@$(BIN)/sottovoce predict samples
	@printf '\nThese recordings are synthesised (see samples/README.md). Now try your own:\n'
	@printf '  %s\n' '$(BIN)/sottovoce predict my-recording.wav' \
	  '$(BIN)/sottovoce predict folder/ --json' \
	  '$(BIN)/sottovoce models' \
	  '$(BIN)/sottovoce --help'

test: $(VENV)/.everything  ## run the whole suite (SOTTOVOCE_DATA=DIR adds the tests on real speech)
	@if command -v npm >/dev/null; then $(BIN)/python hatch_build.py; else echo 'no npm: tests of the page are skipped'; fi
	$(BIN)/python -m pytest -n logical --dist loadfile
	@if command -v node >/dev/null; then node --test tests/serve/page/; fi

check: $(VENV)/.everything  ## lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.everything  ## put every file into the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

speed: $(VENV)/.everything  ## time Sottovoce beside its peers (quiet machine, a few minutes)
	$(BIN)/python benchmarks/speed.py

lock: $(VENV)/.everything  ## write the versions installed now into constraints.txt
	@{ echo '# Versions that the suite passed with; written by `make lock`.'; \
	   $(BIN)/python -m pip freeze --exclude-editable | sed -E 's/\+cpu$$//'; } > constraints.txt

page: $(VENV)/.everything  ## put the web page's libraries into the package (needs npm)
	$(BIN)/python hatch_build.py

notebooks: $(VENV)/.everything  ## run the notebooks from end to end (SOTTOVOCE_DATA=DIR, some minutes)
	$(BIN)/python notebooks/run.py

screenshots: page  ## take the pictures of the documentation anew (needs Chromium)
	$(BIN)/python docs/screenshots.py

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.listening: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.everything: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.listening
