"""Write model.onnx, one file with all that serving needs, and places.onnx: the same bytes for the same inputs."""

import io
import json
import logging
import os
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from quire.training.encoders import Classifier, Places

OUTPUTS = ["probabilities", "unfamiliarity", "features", "feature_map"]


def export(classifier: Classifier, size: int, metadata: dict[str, Any], path: Path) -> None:
    """Export to ONNX with input `images` (N, S, S, 3) uint8, the outputs of Classifier, and metadata.

    Each metadata value is stored as JSON under its name. Beside it, `places.onnx` has the input `feature_map`.
    The files are written whole or not at all.
    """
    images = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with torch.inference_mode():
        feature_map = classifier.eval().network.encoder.backbone(images).clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(Places(classifier), feature_map, "feature_map", ["places"], {}, path.with_name("places.onnx"))
    _write(classifier, images, "images", OUTPUTS, metadata, path)


def _write(module: nn.Module, example: Tensor, name: str, outputs: list[str], metadata: dict[str, Any], path: Path) -> None:
    model = _onnx(module, example, name, outputs)
    _strip(model.graph)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {name: json.dumps(value, sort_keys=True) for name, value in sorted(metadata.items())})
    onnx.checker.check_model(model)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(partial, path)


def _onnx(module: nn.Module, example: Tensor, name: str, outputs: list[str]) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # the exporter reports its progress
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            (example,),
            input_names=[name],
            output_names=outputs,
            dynamic_shapes=({0: "batch"},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _strip(graph: onnx.GraphProto) -> None:
    """Remove what the exporter notes about its source: absolute paths and stack traces."""
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.metadata_props[:]
