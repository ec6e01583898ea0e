PYTHON ?= $(shell command -v python3.11 || command -v python3)
HOST ?= $(or $(FSS_HOST),127.0.0.1)
PORT ?= $(or $(FSS_PORT),8000)

VENV := .venv
SERVE_VENV := .venv-serve
STUDIO_VENV := .venvs/label-studio
GPU_VENV := .venvs/bench-gpu
INSTALL := -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes
LOCK := $(VENV)/bin/uv pip compile pyproject.toml --quiet --upgrade --generate-hashes \
	--no-emit-index-url --no-header --no-config --only-binary :all: \
	--python-version 3.11 --python-platform x86_64-manylinux_2_28

# The program `fss`: this checkout by an environment's interpreter, wherever it is called from.
LAUNCHER := '\#!%s/bin/python\nimport sys\n\nsys.path.insert(0, "%s")\n\nfrom service.cli import main\n\nsys.exit(main())\n'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo run test check bench load soak chaos replicas alerts lock clean bench-gpu \
	label-studio report-card served

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

demo: $(SERVE_VENV)/.stamp ## Register two classes, segment the samples, write out/demo
	$(SERVE_VENV)/bin/python -m service.demo

run: $(SERVE_VENV)/.stamp ## Serve in the foreground on HOST and PORT, or FSS_HOST and FSS_PORT
	FSS_HOST=$(HOST) FSS_PORT=$(PORT) $(SERVE_VENV)/bin/python -m service

test: $(VENV)/.stamp ## Run the test suite
	$(VENV)/bin/python -m pytest

check: $(VENV)/.stamp ## Check format, lint, types and import rules
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.stamp ## Time eager PyTorch, the engine and its int8 tier, write out/bench*.json
	$(VENV)/bin/python -m export.bench --json out/bench.json
	$(VENV)/bin/python -m export.bench_tiers --json out/bench-tiers.json
	$(VENV)/bin/python -m export.bench_head --json out/bench-head.json \
		--bundle model/bundles/base model/bundles/lite --precision fp32 int8

load: $(VENV)/.stamp ## Load a service of its own over HTTP, write out/load.json
	$(VENV)/bin/python -m tests.load load --json out/load.json

soak: $(VENV)/.stamp ## Live 2,000 sessions in 20,000 requests, write out/soak.json
	$(VENV)/bin/python -m tests.load soak --json out/soak.json

chaos: $(VENV)/.stamp ## Kill, fill, starve and overload services, write out/chaos.json
	$(VENV)/bin/python -m tests.load chaos --json out/chaos.json

replicas: $(VENV)/.stamp ## Kill and restart replicas behind nginx under load, write out/replicas.json
	$(VENV)/bin/python -m tests.load replicas --json out/replicas.json

report-card: $(VENV)/.stamp ## Corrupt shots of the sets in DATA, write out/report-card.json
	$(VENV)/bin/python -m tests.report_card --data $(or $(DATA),data) --json out/report-card.json

served: $(VENV)/.stamp ## Score masks of the set DATA as they are served, write out/served.json
	$(VENV)/bin/python -m tests.served --data $(or $(DATA),data/blood_cells) --json out/served.json

bench-gpu: $(GPU_VENV)/.stamp ## Time fp16 PyTorch beside the fp16 engine on a GPU, write out/bench-gpu.json
	$(GPU_VENV)/bin/python -m export.bench_gpu --json out/bench-gpu.json

label-studio: $(VENV)/.stamp $(STUDIO_VENV)/.stamp ## Walk through a real Label Studio, write out/label-studio.png
	$(VENV)/bin/python -m tests.label_studio --label-studio $(STUDIO_VENV)/bin/label-studio

# Some of what Label Studio stands on has no wheels, so its requirements alone may be built.
$(STUDIO_VENV)/.stamp: INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
$(STUDIO_VENV)/.stamp: requirements-label-studio.txt

# Text below text, so that the comments come along; kustomize cannot embed one file in another.
ALERTS := k8s/components/monitoring
alerts: ## Write the alerts of rules.yaml for Prometheus' operator
	sed -i '/^spec:$$/q' $(ALERTS)/prometheusrule.yaml
	sed 's/^\(.\)/  \1/' $(ALERTS)/rules.yaml >> $(ALERTS)/prometheusrule.yaml

# onnxruntime and onnxruntime-gpu are the same module: no file may hold both.
lock: $(VENV)/.stamp ## Pin all requirements again
	$(LOCK) --extra cpu --extra signing --output-file requirements-cpu.txt
	$(LOCK) --extra gpu --extra signing --output-file requirements-gpu.txt
	$(LOCK) --extra gpu --extra signing --extra ray --output-file requirements-ray.txt
	$(LOCK) --extra gpu --extra train --output-file requirements-bench-gpu.txt
	$(LOCK) --extra cpu --extra signing --extra ray --extra train --extra dev --output-file requirements-dev.txt
	$(subst pyproject.toml,,$(LOCK)) --group pyproject.toml:sbom --output-file requirements-sbom.txt
	echo label-studio | $(subst pyproject.toml,-,$(filter-out --only-binary :all:,$(LOCK))) --output-file requirements-label-studio.txt

clean: ## Remove what commands wrote, but not the environments
	rm -rf build dist out .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find model export service tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is already there is brought up to date, never made again.
$(VENV)/.stamp: requirements-dev.txt
$(SERVE_VENV)/.stamp: requirements-cpu.txt
$(GPU_VENV)/.stamp: requirements-bench-gpu.txt
%/.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	test -x $*/bin/python || $(PYTHON) -m venv $*
	$*/bin/python $(INSTALL) --requirement $<
	$(if $(filter $(VENV) $(SERVE_VENV),$*),@printf $(LAUNCHER) '$(abspath $*)' '$(CURDIR)' > $*/bin/fss && chmod +x $*/bin/fss)
	@touch $@
