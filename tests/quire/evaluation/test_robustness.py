import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quire.evaluation import robustness as protocol
from quire.evaluation.robustness import CHANGES, other_files
from quire.model.predictor import Predictor
from tests.quire.model.test_predictor import METADATA, write_model

COLOURS = ["red", "lime", "blue"] * 10  # which the model calls cat, dog and other; what is grey, it calls cat


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_model(tmp_path / "model.onnx", METADATA))


def files(size: tuple[int, int] = (60, 40)) -> list[bytes]:
    buffers = [io.BytesIO() for _ in COLOURS]
    for buffer, colour in zip(buffers, COLOURS, strict=True):
        Image.new("RGB", size, colour).save(buffer, "PNG")
    return [buffer.getvalue() for buffer in buffers]


def sizes(size: tuple[int, int] = (60, 40)) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([size] * len(COLOURS), np.float64)


TARGETS = np.arange(len(COLOURS)) % 3


def test_what_hangs_on_colour_alone_stays_through_all_that_keeps_the_colour(predictor: Predictor) -> None:
    report = other_files(predictor, files(), sizes(), TARGETS, seed=0)
    stay = {name: report[name]["stay"]["value"] for name in CHANGES}
    assert report["images"] == len(COLOURS)
    assert stay.pop("grey") == pytest.approx(1 / 3)
    assert set(stay.values()) == {1}


def test_a_decision_may_change_where_the_prediction_stays(predictor: Predictor) -> None:
    """Grey, a red image is a cat still, but none that the model is sure of."""
    report = other_files(predictor, files(), sizes(), TARGETS, seed=0)
    assert report["grey"]["decisions_stay"]["value"] == 0


def test_a_baseline_that_knows_the_size_alone_follows_the_size(predictor: Predictor) -> None:
    wide = [(30, 20) if target == 0 else (60, 40) if target == 1 else (120, 80) for target in TARGETS]
    report = other_files(predictor, files(), np.array(wide, np.float64), TARGETS, seed=0)
    assert report["mirrored"]["size_baseline_stays"]["value"] < 1  # the files are all of one size
    report = other_files(predictor, files(), sizes(), TARGETS, seed=0)
    assert report["mirrored"]["size_baseline_stays"]["value"] == 1


def test_of_many_images_a_seeded_draw_is_asked(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST", 9)
    first, again, other = (other_files(predictor, files(), sizes(), TARGETS, seed) for seed in (1, 1, 2))
    assert first["images"] == 9
    assert first == again
    assert first["grey"]["stay"] != other["grey"]["stay"]


def test_each_change_is_what_it_is_called() -> None:
    image = Image.new("RGB", (200, 100), "red")
    image.putpixel((0, 0), (0, 0, 255))
    changed = {name: change(image) for name, change in CHANGES.items()}
    shapes = {name: image.size for name, image in changed.items()}
    assert shapes == dict.fromkeys(CHANGES, (200, 100)) | {
        "half size": (100, 50),
        "double size": (400, 200),
        "crop to 90 %": (180, 90),
        "white border": (220, 120),
        "other aspect ratio": (240, 100),
    }
    assert changed["mirrored"].getpixel((199, 0)) == (0, 0, 255)
    assert len(set(np.asarray(changed["grey"])[50, 50])) == 1
    assert changed["white border"].getpixel((0, 0)) == (255, 255, 255)
    assert changed["crop to 90 %"].getpixel((0, 0)) == (255, 0, 0)
