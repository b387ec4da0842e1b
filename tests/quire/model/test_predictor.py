import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from quire.model.predictor import InvalidModel, Predictor
from tests.conftest import Encode

METADATA: dict[str, object] = {
    "labels": ["cat", "dog", "other"],
    "input": {"size": 8, "resize": "squash"},
    "decision": {"min_confidence": 0.5, "max_unfamiliarity": 0.9, "temperature": 1.0},
    "lineage": {"images": "0"},
}


def write_model(path: Path, metadata: dict[str, object]) -> Path:
    """A model whose probabilities are the softmax of an image's mean red, green and blue, in tenths.

    Its unfamiliarity is the mean green in 300ths, its features are the means, its feature map is one place.
    """
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "ten"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
        helper.make_node("Identity", ["mean"], ["features"]),
        helper.make_node("Gather", ["mean", "green"], ["greenness"], axis=1),
        helper.make_node("Div", ["greenness", "scale"], ["unfamiliarity"]),
        helper.make_node("Unsqueeze", ["mean", "places_axes"], ["feature_map"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("ten", TensorProto.FLOAT, [], [10.0]),
        helper.make_tensor("green", TensorProto.INT64, [], [1]),
        helper.make_tensor("scale", TensorProto.FLOAT, [], [300.0]),
        helper.make_tensor("places_axes", TensorProto.INT64, [2], [2, 3]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 8, 8, 3])
    shapes: dict[str, list[str | int | None]]
    shapes = {
        "probabilities": ["batch", 3],
        "unfamiliarity": ["batch"],
        "features": ["batch", 3],
        "feature_map": ["batch", 3, 1, 1],
    }
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "test", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {name: json.dumps(value) for name, value in metadata.items()})
    onnx.save(model, path)
    return path


def test_an_answer_names_label_and_probabilities(tmp_path: Path) -> None:
    predictor = Predictor(write_model(tmp_path / "model.onnx", METADATA))
    red, even = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = 100
    outputs = predictor.run(np.stack([red, even]))
    sure, unsure = (predictor.answer(row, 0.1) for row in outputs.probabilities)
    assert (sure.prediction, sure.decision, sure.reason) == ("cat", "cat", None)
    assert (unsure.prediction, unsure.decision, unsure.reason) == ("cat", "unsure", "low_confidence")
    assert sum(sure.probabilities.values()) == pytest.approx(1)


def test_a_batch_gives_what_each_image_gives_alone(tmp_path: Path, make_image: Encode) -> None:
    predictor = Predictor(write_model(tmp_path / "model.onnx", METADATA))
    images = np.stack([predictor.prepare(make_image(seed=seed)) for seed in range(5)])
    alone = np.concatenate([predictor.run(image[None]).probabilities for image in images])
    assert np.array_equal(predictor.run(images).probabilities, alone)


def test_what_is_unlike_all_that_was_trained_on_is_unsure_however_confident(tmp_path: Path) -> None:
    metadata = METADATA | {"decision": {"min_confidence": 0.5, "max_unfamiliarity": 0.6}}
    predictor = Predictor(write_model(tmp_path / "model.onnx", metadata))
    green = np.zeros((2, 8, 8, 3), np.uint8)
    green[0, ..., 1], green[1, ..., 1] = 170, 190
    outputs = predictor.run(green)
    known, unknown = (predictor.answer(*pair) for pair in zip(outputs.probabilities, outputs.unfamiliarity.tolist(), strict=True))
    assert (known.decision, known.reason) == ("dog", None)
    assert (unknown.prediction, unknown.decision, unknown.reason) == ("dog", "unsure", "unfamiliar")


@pytest.mark.parametrize("missing", METADATA)
def test_a_model_without_its_metadata_is_refused(tmp_path: Path, missing: str) -> None:
    metadata = {name: value for name, value in METADATA.items() if name != missing}
    with pytest.raises(InvalidModel, match=f"metadata lacks {missing}"):
        Predictor(write_model(tmp_path / "model.onnx", metadata))


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="no such file"):
        Predictor(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(InvalidModel, match="not a model that ONNX Runtime loads"):
        Predictor(tmp_path / "model.onnx")
