# Each target does its own set-up: .venv is made from requirements.lock where it is missing or older.
PYTHON ?= python3
PORT ?= 5000
READY := .venv/.ready
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export RAY_USAGE_STATS_ENABLED = 0
export DVC_NO_ANALYTICS = true
export MLFLOW_DISABLE_TELEMETRY = true
export DO_NOT_TRACK = true
export NO_ALBUMENTATIONS_UPDATE = 1
export PYTHONUNBUFFERED = 1
unexport PYTHONDONTWRITEBYTECODE  # of many images: pytest would rewrite every assert each time

.PHONY: setup demo demo-predict demo-bottom-up demo-controls repro test test-unit test-full chaos audit sbom check cost bench latency ui clean help
.DEFAULT_GOAL := demo

setup: $(READY)  ## .venv from requirements.lock with all that Limber needs, `limber` among it
	@echo "in each shell: source .venv/bin/activate   then \`limber\` lists the commands"

demo: $(READY)  ## the whole road on drawn people: two recipes, two workers, one champion
	@python -m pipelines.road demo_hrnet demo_simple_baseline

demo-bottom-up: $(READY)  ## the same for networks that find everyone in the whole image
	@python -m pipelines.road demo_higher_hrnet demo_openpose

demo-predict: $(READY)  ## skeletons over drawn photos and a drawn video, by a small network that finds everyone
	@python -m pipelines.road demo_openpose
	@python -c "from pathlib import Path; from pipelines.media.drawn_clip import draw_clip; draw_clip(Path('predictions/drawn.mp4'), seed=4)"
	@python -m pipelines.predict demo_openpose predictions/drawn.mp4 'data/store/raw/stick_figures/val2017/00000100000?.jpg' --out predictions/demo

demo-controls: $(READY)  ## two networks against their controls on drawn people, three seeds each, intervals
	@python -m dvc repro --quiet prepare@stick_figures
	@python -m pipelines.control demo_ca_hrnet demo_hrnet_as_ca_hrnet --seeds 1,2,3
	@python -m pipelines.control demo_pose_renet demo_hrnet_as_pose_renet --seeds 1,2,3

repro: $(READY)  ## RECIPE=name runs that recipe's stages; without it all of params.yaml
	@python -m pipelines.road $(RECIPE)

test: $(READY)  ## all tests but the minutes-long ones of `make test-full`
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not full"

test-unit: $(READY)  ## the quick ones: all that start no process
	@python -m pytest -n 2 --dist loadfile -m "unit and not full"

test-full: $(READY)  ## the rest: a step of every recipe, every network exported, minutes long
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m full

chaos: $(READY)  ## things broken on purpose, hours: a table of what was tried, recovered, refused and lost; GO_ON=1 goes on with one that was cut off
	@python -m tests.chaos $(if $(GO_ON),--go-on)

check: $(READY)  ## style, types, and the rules of the house
	ruff check . && ruff format --check . && mypy && python -m pytest -q tests/test_house.py tests/test_house_rules.py

.audit/bin/pip-audit: deploy/audit.txt
	@$(PYTHON) -m venv .audit && .audit/bin/python -m pip install --quiet --disable-pip-version-check -r deploy/audit.txt && touch $@

audit: .audit/bin/pip-audit  ## known weaknesses of what requirements.lock names (asks the network), but those of deploy/audit-exceptions.txt
	.audit/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip $$(sed -n 's/^\([A-Z][A-Z]*-[A-Za-z0-9-]*\).*/--ignore-vuln \1/p' deploy/audit-exceptions.txt)

sbom: $(READY) .audit/bin/pip-audit  ## reports/sbom.json: what is installed with versions and licenses (CycloneDX)
	@mkdir -p reports && .audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-format JSON --output-file reports/sbom.json .venv/bin/python && echo reports/sbom.json

cost: $(READY)  ## params, GFLOPs in four counts and memory of every network beside the papers' figures
	@python -m pipelines.cost

bench: $(READY)  ## every claim of speed, measured on this machine, into reports/benchmarks.md
	@python -m benchmarks

latency: $(READY)  ## what a device feels: one image of every architecture, float32 and int8; OpenVINO too, where installed
	@python -m benchmarks.latency

ui: $(READY)  ## the MLflow page on 127.0.0.1
	@python -m pipelines.tracking ui --port $(PORT)

$(READY): requirements.lock pipelines/host/launcher.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit(f"Limber needs Python 3.11, found {v[0]}.{v[1]}: make PYTHON=/path/of/python3.11")'
	@echo "making .venv from requirements.lock (once; some minutes)"
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@.venv/bin/python -m pipelines --install
	@touch $(READY)

clean:  ## takes away the environment; data, runs and results stay
	rm -rf .venv

help:  ## this list; the commands below are what the targets run
	@echo "make TARGET (without one: demo)"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@$(PYTHON) -m pipelines
