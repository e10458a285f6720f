.DEFAULT_GOAL := help
.PHONY: help setup campaign smoke segmenter study test slow chaos bench serve clean

PYTHON_BIN := .venv/bin/python
CAMPAIGN_DIR ?= campaigns
MODELS ?= models
WORKERS ?= 2
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

help:  ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## .venv with everything in it (does nothing when there is nothing to do)
	@jobs/setup.sh

campaign: setup  ## the main job: anneal the LLZO | NMC interface on local Ray, with report and MLflow
	@.venv/bin/ssbray campaign run jobs/llzo_nmc.yaml --dir $(CAMPAIGN_DIR)

smoke: setup  ## the same in under a minute
	@.venv/bin/ssbray campaign run jobs/smoke.yaml --dir $(CAMPAIGN_DIR)

segmenter: setup  ## the default segmenter, from 360 virtual micrographs, in $(MODELS)/segmenter (a quarter of an hour)
	@.venv/bin/ssbray specimen jobs/micrographs.yaml --count 360 --seed 1 --out $(MODELS)/segmenter-data
	@.venv/bin/ssbray train segmenter --data $(MODELS)/segmenter-data --out $(MODELS)/segmenter --minutes 9.5 --hold-out 20 --calibrate 180 --seed 1

test: setup  ## lint, types, imports and the default tests, two files at a time (under 10 minutes on two cores)
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(THREADS) $(PYTHON_BIN) -m pytest -n $(WORKERS) --dist loadfile

slow: setup  ## the tests that take long or much memory
	@$(THREADS) $(PYTHON_BIN) -m pytest -m slow

chaos: setup  ## kill campaigns for real and see that they go on to the same end
	@SSBRAY_CHAOS_SEEDS=20 $(THREADS) $(PYTHON_BIN) -m pytest -m chaos

bench: setup  ## every benchmark in one table, beside what else there is (an hour; run again to go on)
	@$(PYTHON_BIN) benchmarks/table.py --out docs/benchmarks.md

study: setup  ## the study of jobs/study.yaml, with its report (under an hour on two cores)
	@.venv/bin/ssbray study run jobs/study.yaml

serve: setup  ## the surrogate of the main campaign as an endpoint on 127.0.0.1:8000
	@.venv/bin/python serve/run.py --model $(CAMPAIGN_DIR)/llzo-nmc/model --spec jobs/llzo_nmc.yaml

clean:  ## remove caches and build output, not campaigns
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
