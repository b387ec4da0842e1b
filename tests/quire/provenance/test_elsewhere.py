"""Results as other processors would make them."""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from quire.command import BadInput
from quire.provenance.elsewhere import elsewhere
from tests.conftest import run

STAGE = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "plots").mkdir(parents=True, exist_ok=True)
(folder / "same.csv").write_text("1")
(folder / "plots" / "other.png").write_text(os.environ.get("OPENBLAS_CORETYPE", "none"))
"""
LOCK = """
stages:
  train: {cmd: python -m stages.train model, outs: [{path: model/same.csv}, {path: model/plots}]}
  evaluate: {cmd: python -m stages.evaluate reports, outs: [{path: reports/same.csv}]}
"""


def test_what_hangs_on_the_processor_is_named(tmp_path: Path) -> None:
    for name in ("data", "quire", "stages"):
        (tmp_path / name).mkdir()
    (tmp_path / "stages" / "__init__.py").touch()
    (tmp_path / "params.yaml").touch()
    (tmp_path / "dvc.lock").write_text(LOCK)
    for stage, folder in (("train", "model"), ("evaluate", "reports")):
        (tmp_path / "stages" / f"{stage}.py").write_text(STAGE)
        run(tmp_path, sys.executable, "-m", f"stages.{stage}", folder, QUIRE_CONNECTIONS="", QUIRE_OPENED="")
    assert elsewhere(tmp_path, "Zen") == ["model/plots/other.png"]
    (tmp_path / "model" / "same.csv").write_text("2")
    assert elsewhere(tmp_path, "Zen") == ["model/same.csv", "model/plots/other.png"]
    (tmp_path / "stages" / "evaluate.py").write_text("raise SystemExit('evaluate: error: no')")
    with pytest.raises(BadInput, match=r"evaluate reports: exit status 1\nevaluate: error: no"):
        elsewhere(tmp_path, "Zen")


def test_nothing_is_proved_before_anything_was_made(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no dvc\.lock here"):
        elsewhere(tmp_path, "Zen")


@pytest.mark.pipeline
def test_the_demo_is_the_same_bytes_with_other_kernels_and_instruction_sets(demo: Path) -> None:
    """Of all the variables both values, side by side: each computes on one thread."""
    run(demo, "dvc", "checkout")
    variants = ["Haswell", "Sandybridge"]
    with ThreadPoolExecutor(2) as pool:
        different = dict(zip(variants, pool.map(partial(elsewhere, demo), variants), strict=True))
    assert different == {variant: [] for variant in variants}
