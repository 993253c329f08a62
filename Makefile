# Two commands on a fresh machine: make train, make test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
TORCH  ?= torch==2.13.0

.PHONY: help train zoo test prove parity mutate lint types format experiments bench page-speed screenshots clean

help:
	@echo "make train        train numpy-cnn on MNIST (ARGS=\"--model vanilla-cnn …\" for more)"
	@echo "make zoo          train every named network with its recipe and print the table"
	@echo "make test         run all tests"
	@echo "make prove        20,000 random layers: output and gradients (ARGS=\"--count 100000 --seed 1\")"
	@echo "make parity       every layer and every network beside PyTorch, in float64 (CHAINRULE_PARITY=1000 for more)"
	@echo "make lint         ruff and pyright, and tsc where npm is installed"
	@echo "make experiments  the tables and pictures of docs/ again (long)"
	@echo "make bench        time this library, PyTorch and ONNX Runtime, and write docs/benchmarks.md"
	@echo "make page-speed   how soon the page opens, and its frames a second; needs Chromium (ARGS=RUN)"
	@echo "make screenshots  the pictures of the page in the README; needs Chromium"
	@echo "make mutate       change the code in small ways and see that the tests notice (long); docs/mutation.md"

# The environment, made anew when the list of dependencies changes; the package is installed editable.
$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	$(BIN)/python -m pip install --quiet $(TORCH)
	touch $@

$(VENV)/.parity: $(VENV)/.test
	$(BIN)/python -m pip install --quiet $(TORCH)
	touch $@

$(VENV)/.mutate: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[test,mutate]"
	touch $@

# What checks the page, from npm; a machine without it leaves those checks out and says so.
node_modules/.installed: package.json
	npm install --no-package-lock --no-audit --no-fund --silent
	touch $@

train: $(VENV)/.installed
	$(BIN)/chainrule train $(ARGS)

zoo: $(VENV)/.installed
	$(BIN)/chainrule zoo $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

prove: $(VENV)/.installed
	$(BIN)/chainrule prove --count 20000 $(ARGS)

parity: $(VENV)/.parity
	$(BIN)/python -m pytest tests/parity tests/bench/test_torch_peer.py $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory types; else \
	  echo "npm is not installed: the types of the page's JavaScript were not checked"; fi

types: node_modules/.installed
	node_modules/.bin/tsc -p tsconfig.json

format: $(VENV)/.lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

experiments: $(VENV)/.installed
	mkdir -p docs/pictures docs/derivations/pictures
	$(BIN)/chainrule experiment shares --markdown docs/shares.md
	$(BIN)/chainrule experiment rate --markdown docs/vanilla-cnn.md --picture docs/pictures/vanilla-rate.png
	$(BIN)/chainrule experiment losses --markdown docs/independent-code.md
	$(BIN)/chainrule experiment claims --markdown docs/derivations/claims.md
	$(BIN)/chainrule zoo --markdown docs/zoo.md
	$(BIN)/chainrule experiment activations --pictures docs/derivations/pictures

bench: $(VENV)/.bench
	$(BIN)/chainrule bench --markdown docs/benchmarks.md $(ARGS)
	$(BIN)/chainrule bench algorithms --markdown docs/algorithms.md
	$(BIN)/chainrule bench algorithms --one-dimensional --markdown docs/algorithms.md

page-speed: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python tests/web/speed.py $(ARGS)

screenshots: $(VENV)/.test
	test -d runs/screenshots || $(BIN)/chainrule train --model numpy-cnn --out runs/screenshots
	$(BIN)/python tests/web/screenshots.py runs/screenshots docs/pictures

mutate: $(VENV)/.mutate
	PYTHONPATH=tests $(BIN)/python -m mutation --markdown docs/mutation.md $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .ruff_cache
