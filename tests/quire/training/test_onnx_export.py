"""The graphs against the modules that they were exported from. Marked, for PyTorch takes seconds to import."""

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline


def test_the_graphs_answer_as_the_modules_do_and_are_the_same_bytes(tmp_path: Path) -> None:
    import torch

    from quire.model.manifest import ACTIVATION_MAP, ANSWER, ENCODER
    from quire.model.predictor import load_session, run
    from quire.training.damping import Damping
    from quire.training.encoders import ImageEncoder
    from quire.training.familiarity import Nearest
    from quire.training.heads import Head
    from quire.training.onnx_export import ActivationMap, ImageAnswer, Pooled, export_answer, export_encoder
    from quire.training.zero_shot import zero_shot

    draws = np.random.default_rng(0)
    encoder = ImageEncoder("efficientnet-lite0", 64).eval()
    experts = zero_shot({"a": ["281 tabby"], "b": ["151 Chihuahua"], "c": "background"}, ["a", "b", "c"])
    nearest = Nearest(torch.from_numpy(draws.random((30, 1280))), torch.arange(30) % 3, 3, 2)
    head = Head(draws.normal(size=(3, 1280)), draws.normal(size=3))
    pooled = Pooled(head, experts, np.array([1.5, 0.7, 1.3]), Damping(2, 0.1, 0.2, 0.9, 0.7), nearest).eval()
    images = draws.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    for folder in (tmp_path / "one", tmp_path / "two"):
        export_encoder(encoder, 64, folder / ENCODER)
        export_answer(pooled, encoder, 64, folder)
    with torch.inference_mode():
        read = encoder(torch.from_numpy(images))
        expected = [*read, *ImageAnswer(pooled)(read[0], read[1]), ActivationMap(pooled, encoder)(read[2])]
    sessions = {name: load_session(tmp_path / "one" / name) for name in (ENCODER, ANSWER, ACTIVATION_MAP)}
    found = run(sessions[ENCODER], ("features", "class_probabilities", "feature_map"), images=images)
    answer = run(sessions[ANSWER], ("probabilities", "unfamiliarity"), features=found[0], class_probabilities=found[1])
    found += [*answer, *run(sessions[ACTIVATION_MAP], ("activation_map",), feature_map=found[2])]
    for one, other in zip(found, expected, strict=True):
        assert one.shape == tuple(other.shape)
        assert np.abs(one - other.numpy()).max() < 1e-3
    for name in sessions:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        assert b"quire/training" not in content  # no path of the source
