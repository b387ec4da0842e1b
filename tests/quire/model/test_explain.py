from pathlib import Path

import numpy as np

from quire.model.explain import Explainer, overlay
from quire.model.predictor import Predictor
from tests.quire.model.test_predictor import write_model


def explainer(folder: Path, neighbours: bool = True) -> Explainer:
    """Of a model with two training images, a red one and a green one."""
    return Explainer(Predictor(write_model(folder)), neighbours=neighbours)


def test_the_nearest_training_image_is_named_with_document_and_page(tmp_path: Path) -> None:
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    nearest = explainer(tmp_path).nearest(green)
    assert [(each.key, each.caption) for each in nearest] == [("green", "dog: b.pdf, page 4"), ("red", "cat: a.pdf, page 1")]
    assert nearest[0].similarity > 0.99


def test_a_training_image_is_not_its_own_neighbour(tmp_path: Path) -> None:
    assert [each.key for each in explainer(tmp_path).nearest(np.full((8, 8, 3), 9, np.uint8), "green")] == ["red"]


def test_where_it_is_not_allowed_no_training_image_is_named(tmp_path: Path) -> None:
    assert explainer(tmp_path, neighbours=False).nearest(np.zeros((8, 8, 3), np.uint8)) == []


def test_places_that_speak_for_the_answer_stay_in_the_light(tmp_path: Path) -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    shown = np.asarray(overlay(white, np.array([[1, 0], [0, 0]], np.float32)))
    assert shown[0, 0, 0] == 255
    assert shown[7, 7, 0] == 51
    assert np.asarray(explainer(tmp_path).activation_map(white, "cat"))[0, 0, 0] in range(117, 121)  # a third of the light
