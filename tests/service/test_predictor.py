import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.predictor import InvalidModel, Predictor
from tests.conftest import Encode

METADATA: dict[str, object] = {
    "labels": ["cat", "dog", "other"],
    "input": {"size": 8, "resize": "squash"},
    "decision": {"min_confidence": 0.5, "temperature": 1.0},
    "lineage": {"images": "0"},
}


def write_model(path: Path, metadata: dict[str, object]) -> Path:
    """A model whose probabilities are the softmax of an image's mean red, green and blue, in tenths."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "ten"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("ten", TensorProto.FLOAT, [], [10.0]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 8, 8, 3])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "test", [images], [probabilities], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {name: json.dumps(value) for name, value in metadata.items()})
    onnx.save(model, path)
    return path


def test_an_answer_names_label_and_probabilities(tmp_path: Path) -> None:
    predictor = Predictor(write_model(tmp_path / "model.onnx", METADATA))
    red, even = np.zeros((2, 8, 8, 3), np.uint8)
    red[..., 0] = 100
    sure, unsure = (predictor.answer(row) for row in predictor.probabilities(np.stack([red, even])))
    assert (sure.prediction, sure.decision) == ("cat", "cat")
    assert (unsure.prediction, unsure.decision) == ("cat", "unsure")
    assert sum(sure.probabilities.values()) == pytest.approx(1)


def test_a_batch_gives_what_each_image_gives_alone(tmp_path: Path, picture: Encode) -> None:
    predictor = Predictor(write_model(tmp_path / "model.onnx", METADATA))
    images = np.stack([predictor.prepare(picture(seed=seed)) for seed in range(5)])
    alone = np.concatenate([predictor.probabilities(image[None]) for image in images])
    assert np.array_equal(predictor.probabilities(images), alone)


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
