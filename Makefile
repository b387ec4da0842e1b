# Quire: `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What every Python of .venv does before anything else: its own commands come first on PATH, so that `.venv/bin/dvc repro` finds
# `python` without help, and nothing phones home, whoever calls what. DVC's switches stand in .dvc/config.
STARTUP := import os, sys; own, path = os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath); os.environ["PATH"] = path if path.split(os.pathsep)[0] == own else own + os.pathsep + path; os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True"); os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true"); os.environ.setdefault("AWS_MAX_ATTEMPTS", "1")

.PHONY: help install lock repro freeze check test mutation browser benchmark test-label-studio label-studio bento container test-container publish report

help:  ## list the targets; `quire --help` lists all that takes arguments
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

install: .venv/installed  ## make the environment in .venv from the lock

# uv checks every package's hash. UV_TORCH_BACKEND=cpu takes torch from PyTorch's own index, a tenth of the size:
# other files than the lock's, so versions are kept and hashes are not.
.venv/installed: requirements.lock Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.platform == "win32" and "Quire runs on Linux and macOS; on Windows use WSL 2" or sys.version_info < (3, 11) and "Quire needs Python 3.11 or later, not " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
ifdef UV_TORCH_BACKEND
	$(BIN)/uv pip install --python $(BIN)/python --no-verify-hashes --compile-bytecode -c requirements.lock -r pyproject.toml --group train --group dev
else
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
endif
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	echo '$(STARTUP)' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/quire.pth"
	touch $@

lock:  ## resolve pyproject.toml anew and write requirements.lock and, of it, what serves: requirements-serve.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --custom-compile-command 'make lock' \
		--group train --group dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' \
		--constraints requirements.lock pyproject.toml -o requirements-serve.lock

repro: install  ## run the five stages as far as something changed, and sum up; draws the demo where data/raw is empty
	@test -n "$$(ls -A data/raw 2> /dev/null)" || quire demo
	@dvc repro || { dvc checkout --quiet dvc.yaml; exit 1; }
	@quire summary

freeze:  ## let today's split hold for all that is labelled later
	cp data/split.csv data/frozen.csv

check: install  ## style, types, and which room imports which
	ruff format --check .
	ruff check .
	mypy
	lint-imports

test: check browser  ## all tests, with check
	pytest

# An hour on two cores. A change in the words of a message, or one that changes nothing, may live on; look at the others.
mutation: install  ## change what decides and counts a little, and name each change that no test notices
	OMP_NUM_THREADS=1 mutmut run
	mutmut results

# Label Studio pins Django, pandas and numpy, and takes 1 GB: it has an environment of its own and no part in `make test`.
test-label-studio: install .venv-label-studio/installed  ## push to a real Label Studio, annotate, pull and import
	pytest -m label_studio

label-studio: .venv-label-studio/installed  ## start a Label Studio of your own at localhost:8080, its data in .label-studio
	LABEL_STUDIO_BASE_DATA_DIR=$(CURDIR)/.label-studio LABEL_STUDIO_COLLECT_ANALYTICS=false LABEL_STUDIO_LATEST_VERSION_CHECK=false \
		SENTRY_DSN= FRONTEND_SENTRY_DSN= .venv-label-studio/bin/label-studio start --no-browser --internal-host 127.0.0.1 --port 8080

.venv-label-studio/installed: | install
	$(PYTHON) -m venv .venv-label-studio
	$(BIN)/uv pip install --quiet --python .venv-label-studio/bin/python 'label-studio>=1.23.2'
	touch $@

# Debian's Chromium tests the page, its promtool the alerts. They are installed in CI only; elsewhere their tests are skipped and say so.
browser:
	@{ command -v chromedriver && command -v promtool; } > /dev/null || test -z "$$CI" || test "$$(id -u)" != 0 || \
		{ apt-get update -qq && apt-get install -y -qq chromium chromium-driver prometheus > /dev/null; }

benchmark: install  ## side-by-side measurements, on the model and the images that are here
	uv pip install --quiet --python $(BIN)/python -c requirements.lock --group benchmark
	python -m benchmarks.extraction
	python -m benchmarks.serving
	python -m benchmarks.predict
	python -m benchmarks.overhead
	python -m benchmarks.trust
	python -m benchmarks.memory
	python -m benchmarks.hostile
	python -m benchmarks.store

bento: install  ## the commit's service/, serving lock and model as a bento; its version is <commit>-<model>
	@python -m deploy.bento

container: install  ## the bento's image, by Docker, Podman or Buildah; checked, measured, with an SBOM
	@python -m deploy.container

publish: install  ## push the image to REGISTRY=<address>; prints the name and digest to deploy
	@python -m deploy.publish $(REGISTRY)

test-container: install  ## build and probe the image by Debian's Podman: no Docker, no registry; needs root, minutes
	deploy/podman/run pytest -m container tests/deploy

AGAINST ?= origin/main
report: install  ## metrics and plots beside those of AGAINST=<revision>: report.md, dvc_plots/index.html
	@printf '## Metrics, compared with %s\n\n' $(AGAINST) > report.md
	@dvc metrics diff --md $(AGAINST) >> report.md
	@printf '\n## Parameters\n\n' >> report.md
	@dvc params diff --md $(AGAINST) >> report.md
	@printf '\n<details><summary>Model card</summary>\n\n' >> report.md
	@cat reports/model_card.md >> report.md
	@printf '\n</details>\n' >> report.md
	dvc plots diff $(AGAINST)
