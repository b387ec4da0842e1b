"""Predict with the served file: `model.onnx` carries labels, input size, resize rule and thresholds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.decode import MAX_PIXELS, ResizeRule, decode, resize

UNSURE = "unsure"


class InvalidModel(ValueError):
    """The file is not a model that Quire wrote; the message says what is missing."""


@dataclass(frozen=True)
class Answer:
    """One image's answer. `decision` is the prediction, or `unsure` below the model's confidence threshold."""

    prediction: str
    decision: str
    probabilities: dict[str, float]

    @property
    def confidence(self) -> float:
        """The probability of the prediction."""
        return self.probabilities[self.prediction]


class Predictor:
    """Load `model.onnx` and answer. Raises InvalidModel for a damaged file or missing metadata."""

    def __init__(self, path: Path) -> None:
        self.session = _session(path)
        metadata = _metadata(self.session, path)
        self.labels: list[str] = metadata["labels"]
        self.size: int = metadata["input"]["size"]
        self.rule: ResizeRule = metadata["input"]["resize"]
        self.decision: dict[str, float] = metadata["decision"]
        self.min_confidence = self.decision["min_confidence"]
        self.lineage: dict[str, Any] = metadata["lineage"]
        self._check(path)

    def _check(self, path: Path) -> None:
        (images,), (probabilities,) = self.session.get_inputs(), self.session.get_outputs()
        if images.type != "tensor(uint8)" or images.shape[1:] != [self.size, self.size, 3]:
            raise InvalidModel(f"{path}: takes images of {' x '.join(map(str, images.shape[1:3]))}, its metadata say {self.size}")
        if probabilities.shape[-1] != len(self.labels):
            raise InvalidModel(f"{path}: gives {probabilities.shape[-1]} probabilities for {len(self.labels)} labels")

    def prepare(self, data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """An encoded image as the network's input, (S, S, 3) uint8. Raises UndecodableImage."""
        return resize(decode(data, max_pixels), self.size, self.rule)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, C) float32, rows that sum to 1."""
        (probabilities,) = self.session.run(["probabilities"], {"images": images})
        return np.asarray(probabilities, dtype=np.float32)

    def answer(self, probabilities: NDArray[np.float32]) -> Answer:
        """The answer that one row of probabilities, (C,) float32, stands for."""
        best = int(probabilities.argmax())
        decision = self.labels[best] if probabilities[best] >= self.min_confidence else UNSURE
        return Answer(self.labels[best], decision, dict(zip(self.labels, probabilities.tolist(), strict=True)))

    def classify(self, data: bytes) -> Answer:
        """The answer for one encoded image. Raises UndecodableImage."""
        return self.answer(self.probabilities(self.prepare(data)[None])[0])


def _session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # One thread a request that does not spin: two spinning threads on a busy machine were twice as slow as one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not path.is_file():
        raise InvalidModel(f"{path}: no such file; `dvc repro` or `dvc pull` brings it")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise InvalidModel(f"{path}: not a model that ONNX Runtime loads: {error}") from error


def _metadata(session: ort.InferenceSession, path: Path) -> dict[str, Any]:
    stored = session.get_modelmeta().custom_metadata_map
    missing = {"labels", "input", "decision", "lineage"} - set(stored)
    if missing:
        raise InvalidModel(f"{path}: metadata lacks {', '.join(sorted(missing))}; was it written by `train`?")
    return {name: json.loads(value) for name, value in stored.items()}
