"""An encoder in 8 bits. Marked, for PyTorch takes seconds to import."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import run

pytestmark = pytest.mark.pipeline

WRITE = """
import sys
from pathlib import Path
import numpy as np
from quire.training.quantize import quantize
squares = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
quantize(Path(sys.argv[1]), squares, Path(sys.argv[2]))
"""


def test_ranges_go_outward_to_a_coarse_grid_and_bounds_stay() -> None:
    from quire.training.quantize import _outward

    values = [0.0, 6.0, -6.0, 1.0, 5.1, -5.1, 1 + 2**-20, 1 - 2**-23]
    assert [_outward(np.array([value], np.float32)).item() for value in values] == [0, 6, -6, 1, 5.5, -5.5, 1.125, 1]


def test_it_answers_as_the_encoder_does_and_every_run_writes_the_same(tmp_path: Path) -> None:
    from quire.model.predictor import load_session
    from quire.model.predictor import run as run_graph
    from quire.training.encoders import ImageEncoder
    from quire.training.onnx_export import export_encoder
    from quire.training.quantize import quantize

    export_encoder(ImageEncoder("efficientnet-lite0", 64).eval(), 64, tmp_path / "fp32.onnx")
    draws = np.random.default_rng(0)
    ramps = draws.integers(0, 256, (8, 4, 4, 3)).repeat(16, 1).repeat(16, 2).astype(np.uint8)
    quantize(tmp_path / "fp32.onnx", ramps, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.6 * (tmp_path / "fp32.onnx").stat().st_size
    sessions = [load_session(tmp_path / f"{name}.onnx") for name in ("fp32", "int8")]
    names = ("features", "class_probabilities", "feature_map")
    for ramp in ramps:
        exact, small = (run_graph(session, names, images=ramp[None]) for session in sessions)
        assert np.corrcoef(exact[0][0], small[0][0])[0, 1] > 0.95
        assert small[1].sum() == pytest.approx(1, abs=1e-5)
        assert small[2].mean((2, 3)) == pytest.approx(small[0], abs=1e-4)
    for seed in ("1", "2"):
        run(tmp_path, sys.executable, "-c", WRITE, str(tmp_path / "fp32.onnx"), str(tmp_path / seed), PYTHONHASHSEED=seed,
            PYTHONPATH=str(Path.cwd()))  # fmt: skip
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "1").read_bytes()
