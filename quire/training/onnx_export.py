"""Write the model's graphs as ONNX: the same bytes for the same weights."""

import io
import logging
import os
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from quire.model.manifest import ACTIVATION_MAP, ANSWER
from quire.training.damping import Damping
from quire.training.encoders import ImageEncoder, softmax
from quire.training.familiarity import Nearest, unfamiliarity
from quire.training.heads import Floats, Head
from quire.training.zero_shot import ZeroShot


class Pooled(nn.Module):
    """A head and the zero-shot experts, pooled by weights (3,): features (N, F), class probabilities (N, K) → logits (N, C)."""

    def __init__(self, head: Head, experts: ZeroShot | None, weights: Floats, damping: Damping, nearest: Nearest) -> None:
        super().__init__()
        self.linear = nn.Linear(head.weight.shape[1], len(head.bias))
        self.linear.load_state_dict({"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)})
        self.experts = experts.float() if experts else None
        self.register_buffer("weights", torch.from_numpy(weights).float())
        self.damping, self.nearest = damping, nearest.float()

    weights: Tensor

    def forward(self, features: Tensor, class_probabilities: Tensor, distances: Tensor | None) -> Tensor:
        """Damped by the distances (N, C), where there are any."""
        head = self.linear(features)
        logits: Tensor = self.weights[0] * (head if distances is None else self.damping(head, distances))
        if self.experts is None:
            return logits
        zero_shot: Tensor = (self.weights[1:, None] * self.experts(class_probabilities)).sum(1)
        return logits + zero_shot


class ImageAnswer(nn.Module):
    """Features (N, F), class probabilities (N, K) → probabilities (N, C), unfamiliarity (N,)."""

    def __init__(self, pooled: Pooled) -> None:
        super().__init__()
        self.pooled = pooled

    def forward(self, features: Tensor, class_probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """The unfamiliarity is that of the likeliest label."""
        distances: Tensor = self.pooled.nearest(features)
        probabilities = softmax(self.pooled(features, class_probabilities, distances), 1)
        scores = distances
        if self.pooled.experts is not None:
            scores = unfamiliarity(distances, self.pooled.experts(class_probabilities))
        return probabilities, scores.gather(1, probabilities.argmax(1, keepdim=True))[:, 0]


class ActivationMap(nn.Module):
    """What each place of an image would be called alone: a class activation map (Zhou et al. 2016).

    The head is linear in the mean of the feature map, so its logits are the mean over places; the zero-shot experts are asked at
    each place as they are asked at all of them together, and the head is not damped.
    """

    def __init__(self, pooled: Pooled, encoder: ImageEncoder) -> None:
        super().__init__()
        self.pooled, self.classifier = pooled, encoder.classifier

    def forward(self, feature_map: Tensor) -> Tensor:
        """(N, F, H, W) → (N, C, H, W) float32, probabilities over C."""
        height, width = feature_map.shape[2:]
        places: Tensor = feature_map.flatten(2).transpose(1, 2).flatten(0, 1)  # (N·H·W, F)
        probabilities = softmax(self.pooled(places, softmax(self.classifier(places), 1), None), 1)  # (N·H·W, C)
        activation: Tensor = probabilities.unflatten(0, (-1, height * width)).transpose(1, 2).unflatten(2, (height, width))
        return activation


def export_encoder(encoder: ImageEncoder, size: int, path: Path) -> None:
    """Write the encoder: images (N, S, S, 3) uint8 → features, class_probabilities, feature_map."""
    images = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    _write(encoder, {"images": images}, ["features", "class_probabilities", "feature_map"], path)


def export_answer(pooled: Pooled, encoder: ImageEncoder, size: int, folder: Path) -> list[Path]:
    """Write the graph that answers from features and class probabilities, and that of the activation map."""
    with torch.inference_mode():
        features, classes, feature_map = (each.clone() for each in encoder.eval()(torch.zeros(2, size, size, 3, dtype=torch.uint8)))
    answer, activation = folder / ANSWER, folder / ACTIVATION_MAP
    outputs = ["probabilities", "unfamiliarity"]
    _write(ImageAnswer(pooled), {"features": features, "class_probabilities": classes}, outputs, answer)
    _write(ActivationMap(pooled, encoder), {"feature_map": feature_map}, ["activation_map"], activation)
    return [answer, activation]


def _write(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    """Whole or not at all."""
    model = _onnx(module.eval(), inputs, outputs)
    _strip(model)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(partial, path)


def _onnx(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str]) -> onnx.ModelProto:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # the exporter reports its progress
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=tuple({0: "batch"} for _ in inputs),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _strip(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about its source: absolute paths and stack traces."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        del part.metadata_props[:]
        part.doc_string = ""
