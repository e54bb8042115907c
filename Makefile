# All targets create the virtual environment .venv with the pinned packages of constraints.txt. They need only Python
# (3.10 to 3.12) and make. Another interpreter: make PYTHON=python3.12

VENV := .venv
READY := $(VENV)/.ready
BIN := $(abspath $(VENV))/bin
# Tests, and stages of the demo, that run at the same time.
JOBS ?= 2

# Tables and figures of the paper; see recipes/tables.mk.
SCALE ?= tiny
TABLES := table3 table4 table5 table6 table8 table9 table10 table11 table12 table13 fig1 fig1b fig4 fig5 fig6 boundary-noise

.PHONY: help env demo test quick check gpu-check fuzz faults clean ladder plan $(TABLES)

help:
	@echo "make env    set up $(VENV)"
	@echo "make demo   the whole pipeline on generated stories, about 20 minutes on 2 cores"
	@echo "make table3 SCALE=tiny   a table of the paper, with our and the paper's numbers: $(TABLES)"
	@echo "make plan SCALE=paper ROOT=artifacts   jobs, GPUs, hours and disk of each table; needs shards (docs/reproduce.md)"
	@echo "make ladder SCALE=tiny   rows over rising compute at three seeds; takes hours, and resumes"
	@echo "make test   all checks and tests"
	@echo "make quick  ruff, mypy, import contracts and the fast tests, under 2 minutes: before each commit"
	@echo "make gpu-check   correctness and speed of this machine's GPU; docs/gpu.md (DEVICE=cpu QUICK=1 runs without one)"
	@echo "make check  ruff, mypy and the import contracts"
	@echo "make fuzz   read damaged files of every format, about half an hour; CASES=100 SEED=0"
	@echo "make faults kill and rerun every command, and ranks, at file operations, about 40 minutes; KILLS=40"
	@echo "make clean  remove caches (artifacts and $(VENV) stay)"

env: $(READY)

# The stamp is written last, and only if the set-up succeeded.
$(READY): pyproject.toml constraints.txt scripts/setup.sh
	PYTHON="$(PYTHON)" bash scripts/setup.sh $(VENV)

demo: $(READY)
	$(MAKE) --no-print-directory -j $(JOBS) -f recipes/tiny/Makefile BIN=$(BIN)

$(TABLES) ladder: $(READY)
	$(MAKE) --no-print-directory -f recipes/tables.mk $@ SCALE=$(SCALE) BIN=$(BIN)

# Shards in place of those of the scale; see docs/reproduce.md.
ROOT ?= artifacts-costs
plan: $(READY)
	$(BIN)/python recipes/costs.py --scale $(SCALE) --root $(ROOT)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest -n $(JOBS)

quick: check
	$(BIN)/pytest -n $(JOBS) -m "not slow"

gpu-check: $(READY)
	DEVICE=$(DEVICE) QUICK=$(QUICK) $(BIN)/python benchmarks/gpu_check.py $(STAGES)

CASES ?= 100
SEED ?= 0
KILLS ?= 40

fuzz: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.fuzzing --cases $(CASES) --seed $(SEED)

faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.killing --most $(KILLS)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.killing_ranks

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find lst_cli tests recipes benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
