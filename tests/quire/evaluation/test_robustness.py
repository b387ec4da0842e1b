from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from quire.evaluation import robustness as room
from quire.evaluation.robustness import CHANGES, robustness
from quire.model.inputs import resize
from quire.model.predictor import Predictor
from tests.quire.model.test_predictor import write_model

COLOURS = ["red", "lime", "blue"] * 10  # which the model calls cat, dog and other; what is grey, it calls cat


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_model(tmp_path))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{number}.png" for number in range(len(COLOURS))]
    for path, colour in zip(found, COLOURS, strict=True):
        Image.new("RGB", (60, 40), colour).save(path)
    return found


def sizes(size: tuple[int, int] = (60, 40)) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([size] * len(COLOURS), np.float64)


TARGETS, DOCUMENTS = np.arange(len(COLOURS)) % 3, np.arange(len(COLOURS))


def test_what_hangs_on_colour_alone_stays_through_all_that_keeps_the_colour(predictor: Predictor, files: list[Path]) -> None:
    report = robustness(predictor, files, sizes(), TARGETS, DOCUMENTS, seed=0)
    stay = {name: part["predictions"]["value"] for name, part in report["changes"].items()}
    assert report["images"] == len(COLOURS)
    assert stay.pop("grey") == pytest.approx(1 / 3)
    assert set(stay.values()) == {1}


def test_a_decision_may_change_where_the_prediction_stays(predictor: Predictor, files: list[Path]) -> None:
    """Grey, a red image is a cat still, but none that the model is sure of."""
    report = robustness(predictor, files, sizes(), TARGETS, DOCUMENTS, seed=0)
    assert report["changes"]["grey"]["decisions"]["value"] == 0


def test_a_baseline_that_knows_the_size_alone_follows_the_size(predictor: Predictor, files: list[Path]) -> None:
    wide = [(30, 20) if target == 0 else (60, 40) if target == 1 else (120, 80) for target in TARGETS]
    report = robustness(predictor, files, np.array(wide, np.float64), TARGETS, DOCUMENTS, seed=0)
    assert report["changes"]["mirrored"]["size_baseline"]["value"] < 1  # the files are all of one size
    report = robustness(predictor, files, sizes(), TARGETS, DOCUMENTS, seed=0)
    assert report["changes"]["mirrored"]["size_baseline"]["value"] == 1


def test_of_many_images_a_seeded_draw_is_read_and_no_other(
    predictor: Predictor, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST", 9)
    first, again, other = (robustness(predictor, files, sizes(), TARGETS, DOCUMENTS, seed) for seed in (1, 1, 2))
    assert first["images"] == 9
    assert first == again
    assert first["changes"]["grey"]["predictions"] != other["changes"]["grey"]["predictions"]
    for number in set(range(len(files))) - set(Random(1).sample(range(len(files)), 9)):
        files[number].unlink()
    assert robustness(predictor, files, sizes(), TARGETS, DOCUMENTS, 1) == first


def test_a_large_jpeg_is_read_as_serving_reads_it(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a size near the model's, and yet the baseline knows the file's own."""
    path, decoded = tmp_path / "large.jpg", []
    Image.new("RGB", (1600, 1200), "red").save(path)
    monkeypatch.setattr(room, "resize", lambda image, *rest: decoded.append(image.size) or resize(image, *rest))  # type: ignore[func-returns-value]
    report = robustness(predictor, [path] * 3, sizes((1600, 1200))[:3], TARGETS[:3], DOCUMENTS[:3], seed=0)
    assert decoded[0] == (200, 150)
    assert report["changes"]["mirrored"]["size_baseline"]["value"] == 1
    with_size = room._answers(predictor, path.read_bytes())
    assert (with_size[""][1], with_size["half_size"][1]) == ((1600, 1200), (800, 600))


def test_each_change_is_what_it_is_called() -> None:
    image = Image.new("RGB", (200, 100), "red")
    image.putpixel((0, 0), (0, 0, 255))
    changed = {name: change(image) for name, change in CHANGES.items()}
    shapes = {name: image.size for name, image in changed.items()}
    assert shapes == dict.fromkeys(CHANGES, (200, 100)) | {
        "half_size": (100, 50),
        "double_size": (400, 200),
        "crop_to_90_percent": (180, 90),
        "white_border": (220, 120),
        "other_aspect_ratio": (240, 100),
    }
    assert changed["mirrored"].getpixel((199, 0)) == (0, 0, 255)
    assert len(set(np.asarray(changed["grey"])[50, 50])) == 1
    assert changed["white_border"].getpixel((0, 0)) == (255, 255, 255)
    assert changed["crop_to_90_percent"].getpixel((0, 0)) == (255, 0, 0)
