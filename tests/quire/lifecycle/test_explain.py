from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from quire.command import BadInput
from quire.items.tables import write_npz
from quire.lifecycle.explain import explain
from quire.model.explain import Explainer, overlay
from quire.model.predictor import Predictor
from tests.conftest import Encode
from tests.quire.model.test_predictor import METADATA, write_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with two training images, a red one and a green one; each place is as likely each label as it is each colour."""
    write_model(tmp_path / "model.onnx", METADATA)
    shape: list[str | int | None] = ["batch", 3, 1, 1]
    given, found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("feature_map", "places"))
    graph = helper.make_graph([helper.make_node("Softmax", ["feature_map"], ["places"], axis=1)], "test", [given], [found])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "places.onnx")
    features = np.array([[200, 1, 1], [1, 200, 1]], np.float32)
    names = {"keys": np.array(["red", "green"]), "labels": np.array(["cat", "dog"])}
    write_npz(
        tmp_path / "references.npz", **names, documents=np.array(["a.pdf", "b.pdf"]), pages=np.array([0, 3]), features=features
    )
    return tmp_path


def test_the_nearest_training_image_is_named_with_document_and_page(model: Path) -> None:
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 255
    nearest = Explainer(Predictor(model / "model.onnx"), model / "places.onnx", model / "references.npz").nearest(green)
    assert [(each.key, each.label, each.document, each.page) for each in nearest] == [
        ("green", "dog", "b.pdf", 3),
        ("red", "cat", "a.pdf", 0),
    ]
    assert nearest[0].similarity > 0.99


def test_a_training_image_is_not_its_own_neighbour(model: Path) -> None:
    explainer = Explainer(Predictor(model / "model.onnx"), model / "places.onnx", model / "references.npz")
    assert [each.key for each in explainer.nearest(np.full((8, 8, 3), 9, np.uint8), "green")] == ["red"]


def test_without_their_file_no_training_image_is_named(model: Path) -> None:
    explainer = Explainer(Predictor(model / "model.onnx"), model / "places.onnx", None)
    assert explainer.nearest(np.zeros((8, 8, 3), np.uint8)) == []


def test_places_that_speak_for_the_answer_stay_in_the_light() -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    shown = np.asarray(overlay(white, np.array([[1, 0], [0, 0]], np.float32)))
    assert shown[0, 0, 0] == 255
    assert shown[7, 7, 0] == 51


def test_an_image_or_a_key_is_explained(model: Path, make_image: Encode, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("red", "green"):
        (model / f"{name}.jpg").write_bytes(make_image(size=(40, 30)))
    explain("red", model, model, model / "explained")
    assert "b.pdf, page 4" in capsys.readouterr().out
    with Image.open(model / "explained" / "red.png") as drawn:
        assert drawn.width > 500
    with pytest.raises(BadInput, match="'blue' is neither a file nor the key of one"):
        explain("blue", model, model, model / "explained")
