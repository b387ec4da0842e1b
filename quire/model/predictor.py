"""Predict with the served file: `model.onnx` carries labels, input size, resize rule and both thresholds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from quire.command import BadInput
from quire.decode import MAX_PIXELS, ResizeRule, decode, resize

UNSURE = "unsure"
OUTPUTS = ("probabilities", "unfamiliarity", "features", "feature_map")

Reason = Literal["low_confidence", "unfamiliar"]


class InvalidModel(BadInput):
    """The file is not a model that Quire wrote; the message says what is missing."""


@dataclass(frozen=True)
class Answer:
    """One image's answer. `decision` is the prediction, or `unsure` for a `reason`: the one that weighs first is named."""

    prediction: str
    decision: str
    reason: Reason | None
    probabilities: dict[str, float]

    @property
    def confidence(self) -> float:
        """The probability of the prediction."""
        return self.probabilities[self.prediction]


@dataclass(frozen=True)
class Outputs:
    """What the model says of N images: probabilities (N, C), and how unlike its training images each is, (N,); float32."""

    probabilities: NDArray[np.float32]
    unfamiliarity: NDArray[np.float32]


class Predictor:
    """Load `model.onnx` and answer. Raises InvalidModel for a damaged file or missing metadata."""

    def __init__(self, path: Path) -> None:
        self.session = load_session(path)
        metadata = _metadata(self.session, path)
        self.labels: list[str] = metadata["labels"]
        self.size: int = metadata["input"]["size"]
        self.rule: ResizeRule = metadata["input"]["resize"]
        self.decision: dict[str, Any] = metadata["decision"]
        self.min_confidence: float = self.decision["min_confidence"]
        self.max_unfamiliarity: float = self.decision["max_unfamiliarity"]
        self.lineage: dict[str, Any] = metadata["lineage"]
        self._check(path)

    def _check(self, path: Path) -> None:
        (images,), outputs = self.session.get_inputs(), {output.name: output for output in self.session.get_outputs()}
        missing = [name for name in OUTPUTS if name not in outputs]
        if missing:
            raise InvalidModel(f"{path}: has no output {', '.join(missing)}; was it written by an earlier `train`?")
        if images.type != "tensor(uint8)" or images.shape[1:] != [self.size, self.size, 3]:
            raise InvalidModel(f"{path}: takes images of {' x '.join(map(str, images.shape[1:3]))}, its metadata say {self.size}")
        classes = outputs["probabilities"].shape[-1]
        if classes != len(self.labels):
            raise InvalidModel(f"{path}: gives {classes} probabilities for {len(self.labels)} labels")

    def prepare(self, data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """An encoded image as the network's input, (S, S, 3) uint8. Raises UndecodableImage."""
        return resize(decode(data, max_pixels), self.size, self.rule)

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """(N, S, S, 3) uint8 → probabilities (N, C), rows that sum to 1, and unfamiliarity (N,)."""
        return Outputs(*self._fetch(["probabilities", "unfamiliarity"], images))

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, 1280) float32: by these, images are alike or not."""
        return self._fetch(["features"], images)[0]

    def feature_map(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, 1280, H, W) float32, whose mean over places the features are."""
        return self._fetch(["feature_map"], images)[0]

    def _fetch(self, names: list[str], images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return [np.asarray(output, dtype=np.float32) for output in self.session.run(names, {"images": images})]

    def answer(self, probabilities: NDArray[np.float32], unfamiliarity: float) -> Answer:
        """The answer that one row of the outputs, (C,) float32 and a number, stands for."""
        best = int(probabilities.argmax())
        reason: Reason | None = None
        if probabilities[best] < self.min_confidence:
            reason = "low_confidence"
        elif unfamiliarity > self.max_unfamiliarity:
            reason = "unfamiliar"
        decision = UNSURE if reason else self.labels[best]
        return Answer(self.labels[best], decision, reason, dict(zip(self.labels, probabilities.tolist(), strict=True)))

    def classify(self, data: bytes) -> Answer:
        """The answer for one encoded image. Raises UndecodableImage."""
        outputs = self.run(self.prepare(data)[None])
        return self.answer(outputs.probabilities[0], float(outputs.unfamiliarity[0]))


def load_session(path: Path) -> ort.InferenceSession:
    """A session of one thread. Raises InvalidModel for what is no ONNX file."""
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
