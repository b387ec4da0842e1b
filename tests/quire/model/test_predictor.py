import base64
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from quire.items.tables import write_npz
from quire.model import predictor as module
from quire.model.manifest import (
    ACTIVATION_MAP,
    ANSWER,
    ENCODER,
    FILE,
    NEIGHBOURS,
    Expert,
    ImageInput,
    InvalidModel,
    Manifest,
    Pooling,
    Thresholds,
    hash_part,
    write_manifest,
)
from quire.model.predictor import Predictor
from tests.conftest import Encode

LABELS = ["cat", "dog", "other"]
THRESHOLDS: dict[str, Any] = {
    "min_confidence": 0.5, "max_unfamiliarity": 0.9, "max_risk": 0.05, "confidence": 0.9, "max_error_probability": 0.5,
    "in_distribution_quantile": 0.99, "risk": 0.04, "coverage": 1.0, "met": True, "images": 100,
}  # fmt: skip


def write_model(folder: Path, labels: list[str] = LABELS, **thresholds: float) -> Path:
    """A model whose probabilities are the softmax of an image's mean red, green and blue, in tenths; returns its folder.

    Its unfamiliarity is the mean green in 300ths, its features are the means, its feature map is one place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = ["n", 3, 1, 1]
    read = {"features": ["n", 3], "class_probabilities": ["n", 3]}
    graph(folder / ENCODER, {"images": ["n", 8, 8, 3]}, read | {"feature_map": place},
          [("Cast", ["images"], "float", {"to": TensorProto.FLOAT}), ("ReduceMean", ["float", "axes"], "features", {"keepdims": 0}),
           ("Identity", ["features"], "class_probabilities", {}), ("Unsqueeze", ["features", "places"], "feature_map", {})],
          axes=[1, 2], places=[2, 3])  # fmt: skip
    graph(folder / ANSWER, read, {"probabilities": ["n", 3], "unfamiliarity": ["n"]},
          [("Div", ["features", "ten"], "logits", {}), ("Softmax", ["logits"], "probabilities", {}),
           ("Gather", ["class_probabilities", "one"], "green", {"axis": 1}), ("Div", ["green", "scale"], "unfamiliarity", {})],
          ten=10.0, one=1, scale=300.0)  # fmt: skip
    graph(folder / ACTIVATION_MAP, {"feature_map": place}, {"activation_map": place},
          [("Softmax", ["feature_map"], "activation_map", {"axis": 1})])  # fmt: skip
    names = {"keys": np.array(["red", "green"]), "labels": np.array(labels[:2]), "documents": np.array(["a.pdf", "b.pdf"])}
    features = np.array([[200, 1, 1], [1, 200, 1]], np.float32)
    write_npz(folder / NEIGHBOURS, **names, pages=np.array([0, 3]), features=features)
    settled = Thresholds(**THRESHOLDS | thresholds)
    pooling = Pooling(graph=ANSWER, weights={"image": 1.0}, damping=None, thresholds=settled)
    manifest = Manifest(
        labels=labels,
        inputs={"image": ImageInput(size=8, resize="squash", encoder=ENCODER)},
        experts={"image": Expert(modality="image", answers="which colour it is")},
        pooling={"image": pooling},
        lineage={"images": "0" * 64},
        parts={name: hash_part(folder / name) for name in (ENCODER, ANSWER, ACTIVATION_MAP, NEIGHBOURS)},
    )
    write_manifest(folder, manifest)
    return folder


def graph(path: Path, inputs: dict[str, Any], outputs: dict[str, Any], nodes: list[Any], **constants: Any) -> None:
    """An ONNX file of a few nodes: (operator, inputs, output, attributes) each."""
    made = [helper.make_node(kind, given, [output], **attributes) for kind, given, output, attributes in nodes]
    given, found = ([_end(name, shape) for name, shape in side.items()] for side in (inputs, outputs))
    initial = [_constant(name, value) for name, value in constants.items()]
    whole = helper.make_graph(made, "test", given, found, initial)
    onnx.save(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def _end(name: str, shape: list[str | int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.UINT8 if name == "images" else TensorProto.FLOAT, shape)


def _constant(name: str, value: Any) -> onnx.TensorProto:
    values, shape = (value, [len(value)]) if isinstance(value, list) else ([value], [])
    return helper.make_tensor(name, TensorProto.FLOAT if isinstance(values[0], float) else TensorProto.INT64, shape, values)


def test_an_answer_names_label_and_probabilities(tmp_path: Path) -> None:
    predictor = Predictor(write_model(tmp_path))
    red, even = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = 100
    outputs = predictor.run(np.stack([red, even]))
    sure, unsure = (predictor.answer(row, 0.1) for row in outputs.probabilities)
    assert (sure.prediction, sure.decision, sure.reason) == ("cat", "cat", None)
    assert (unsure.prediction, unsure.decision, unsure.reason) == ("cat", "unsure", "low_confidence")
    assert sum(sure.probabilities.values()) == pytest.approx(1)


def test_a_batch_gives_what_each_image_gives_alone(tmp_path: Path, make_image: Encode) -> None:
    predictor = Predictor(write_model(tmp_path))
    images = np.stack([predictor.prepare(make_image(seed=seed)) for seed in range(5)])
    alone = np.concatenate([predictor.run(image[None]).probabilities for image in images])
    assert np.array_equal(predictor.run(images).probabilities, alone)


def test_what_is_unlike_all_that_was_trained_on_is_unsure_however_confident(tmp_path: Path) -> None:
    predictor = Predictor(write_model(tmp_path, max_unfamiliarity=0.6))
    green = np.zeros((2, 8, 8, 3), np.uint8)
    green[0, ..., 1], green[1, ..., 1] = 179, 181
    outputs = predictor.run(green)
    known, unknown = (predictor.answer(*pair) for pair in zip(outputs.probabilities, outputs.unfamiliarity.tolist(), strict=True))
    assert (known.decision, known.reason) == ("dog", None)
    assert (unknown.prediction, unknown.decision, unknown.reason) == ("dog", "unsure", "unfamiliar")


def test_at_the_threshold_an_answer_is_given(tmp_path: Path) -> None:
    predictor = Predictor(write_model(tmp_path, min_confidence=0.75))
    assert [predictor.answer([share, 1 - share, 0], 0.1).decision for share in (0.75, 0.7499)] == ["cat", "unsure"]


def test_a_part_that_is_not_the_one_that_was_written_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    version = Predictor(tmp_path).version
    (tmp_path / ANSWER).write_bytes((tmp_path / ANSWER).read_bytes() + b"\0")
    with pytest.raises(InvalidModel, match=r"answer_image.onnx: is not the file that model.json names"):
        Predictor(tmp_path)
    (tmp_path / ANSWER).unlink()
    with pytest.raises(InvalidModel, match=r"answer_image.onnx: no such file, and model.json names it"):
        Predictor(tmp_path)
    assert Predictor(write_model(tmp_path)).version == version != Predictor(write_model(tmp_path, min_confidence=0.6)).version


def test_a_model_of_another_layout_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=r"model.json: no such file; `dvc repro` or `dvc pull` brings it"):
        Predictor(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"of before")
    with pytest.raises(InvalidModel, match=r"model.json: no such file; the model.onnx there is of an earlier layout"):
        Predictor(tmp_path)
    text = (write_model(tmp_path) / FILE).read_text()
    for wrong, place in (('"schema_version": 2', "schema_version"), ('"schema_version": 1, "labels": ["cat"]', "labels")):
        (tmp_path / FILE).write_text(text.replace('"schema_version": 1', wrong) if place == "schema_version" else f"{{{wrong}}}")
        with pytest.raises(InvalidModel, match=f"model.json: {place}: .* was it written by another version of `train`"):
            Predictor(tmp_path)


def test_a_graph_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=r"gives 3 probabilities for 2 labels"):
        Predictor(write_model(tmp_path, labels=["cat", "dog"]))
    write_model(tmp_path)
    (tmp_path / ENCODER).write_bytes(b"not a model")
    manifest = Manifest.model_validate_json((tmp_path / FILE).read_text())
    write_manifest(tmp_path, manifest.model_copy(update={"parts": manifest.parts | {ENCODER: hash_part(tmp_path / ENCODER)}}))
    with pytest.raises(InvalidModel, match=r"image_encoder.onnx: not a model that ONNX Runtime loads"):
        Predictor(tmp_path)


def test_the_product_that_asks_the_processor_is_the_one_that_onnx_writes() -> None:
    shapes = {"a": (TensorProto.UINT8, [1, 64]), "b": (TensorProto.INT8, [64, 16]), "y": (TensorProto.INT32, [1, 16])}
    a, b, y = (helper.make_tensor_value_info(name, *shape) for name, shape in shapes.items())
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["y"])], "g", [a, b], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="")
    assert base64.b64decode(module.PRODUCT) == model.SerializeToString(deterministic=True)


def test_where_bytes_would_overflow_they_are_multiplied_another_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "product.onnx").write_bytes(base64.b64decode(module.PRODUCT))
    for saturates, precise in ((True, "1"), (False, "0")):
        monkeypatch.setattr(module, "_saturates", lambda saturates=saturates: saturates)
        options = module.load_session(tmp_path / "product.onnx").get_session_options()
        assert options.get_session_config_entry("session.x64quantprecision") == precise
