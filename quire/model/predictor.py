"""Predict with the model in a folder: `model.json` and the graphs that it names."""

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from quire.decode import MAX_PIXELS, decode
from quire.model.inputs import ResizeRule, resize
from quire.model.manifest import UNSURE, InvalidModel, read_manifest

# A graph (1, 64) uint8 · (64, 16) int8 → (1, 16) int32, ONNX in base64; a test builds it.
PRODUCT = (
    "CAgSADpcChgKAWEKAWISAXkiDU1hdE11bEludGVnZXISAWdaEwoBYRIOCgwIAhIICgIIAQoCCEBaEwoBYhIOCgwIAxIICgIIQAoC"
    "CBBiEwoBeRIOCgwIBhIICgIIAQoCCBBCBAoAEA0="
)

Reason = Literal["low_confidence", "unfamiliar"]


@dataclass(frozen=True)
class Answer:
    """One image's answer. `decision` is the prediction, or `unsure` for a `reason`: the one that weighs first is named."""

    prediction: str
    decision: str
    reason: Reason | None
    probabilities: dict[str, float]
    unfamiliarity: float

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
    """The model in `folder`. Raises InvalidModel for a damaged one, and for graphs that do not fit its `model.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest, self.sha256 = read_manifest(folder)
        self.version = self.sha256[:12]
        self.labels, image = self.manifest.labels, self.manifest.inputs["image"]
        self.size: int = image.size
        self.rule: ResizeRule = image.resize
        self.thresholds = self.manifest.pooling["image"].thresholds
        self.encoder = load_session(folder / image.encoder)
        self.head = load_session(folder / self.manifest.pooling["image"].graph)
        self._check()

    def _check(self) -> None:
        (images,), (probabilities, _) = self.encoder.get_inputs(), self.head.get_outputs()
        if images.shape[1:] != [self.size, self.size, 3]:
            shape = " x ".join(map(str, images.shape[1:3]))
            raise InvalidModel(f"{self.folder}: the encoder takes images of {shape}, model.json says {self.size}")
        if probabilities.shape[-1] != len(self.labels):
            raise InvalidModel(f"{self.folder}: gives {probabilities.shape[-1]} probabilities for {len(self.labels)} labels")

    def prepare(self, data: bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
        """An encoded image as the encoder's input, (S, S, 3) uint8. Raises UndecodableImage."""
        return resize(decode(data, max_pixels, self.size), self.size, self.rule)

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """(N, S, S, 3) uint8 → probabilities (N, C), rows that sum to 1, and unfamiliarity (N,)."""
        return self.head_of(*self.encode(images))

    def encode(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, S, S, 3) uint8 → features (N, F) and probabilities of the backbone's classes (N, K), float32."""
        features, classes = run(self.encoder, ("features", "class_probabilities"), images=images)
        return features, classes

    def head_of(self, features: NDArray[np.float32], classes: NDArray[np.float32]) -> Outputs:
        """What the model says of images that are encoded."""
        return Outputs(*run(self.head, ("probabilities", "unfamiliarity"), features=features, class_probabilities=classes))

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, F) float32: by these, images are alike or not."""
        return self.encode(images)[0]

    def feature_map(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, F, H, W) float32, whose mean over places the features are."""
        return run(self.encoder, ("feature_map",), images=images)[0]

    def answer(self, probabilities: Sequence[float] | NDArray[np.float32], unfamiliarity: float) -> Answer:
        """The answer that one row of the outputs, (C,) and a number, stands for."""
        shares = dict(zip(self.labels, map(float, probabilities), strict=True))
        best = max(shares, key=shares.__getitem__)
        reason: Reason | None = None
        if shares[best] < self.thresholds.min_confidence:
            reason = "low_confidence"
        elif unfamiliarity > self.thresholds.max_unfamiliarity:
            reason = "unfamiliar"
        return Answer(best, UNSURE if reason else best, reason, shares, unfamiliarity)

    def classify(self, data: bytes) -> Answer:
        """The answer for one encoded image. Raises UndecodableImage."""
        return self.classify_square(self.prepare(data))

    def classify_square(self, square: NDArray[np.uint8]) -> Answer:
        """The answer for one encoder's input, (S, S, 3) uint8."""
        return self.answer_encoded(*self.encode(square[None]))

    def answer_encoded(self, features: NDArray[np.float32], classes: NDArray[np.float32]) -> Answer:
        """The answer for one image that is encoded, (1, F) and (1, K)."""
        outputs = self.head_of(features, classes)
        return self.answer(outputs.probabilities[0], float(outputs.unfamiliarity[0]))


def run(session: ort.InferenceSession, outputs: Sequence[str], **inputs: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    """A graph's outputs of these names."""
    return [np.asarray(output, dtype=np.float32) for output in session.run(list(outputs), inputs)]


@functools.cache
def _saturates() -> bool:
    """Whether this processor's products of uint8 and int8 overflow 16 bits, as AVX2 does where VNNI is missing: ask, and see."""
    session = ort.InferenceSession(base64.b64decode(PRODUCT), providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"a": np.full((1, 64), 255, np.uint8), "b": np.full((64, 16), 127, np.int8)})
    return bool(np.any(product != 64 * 255 * 127))


def load_session(path: Path) -> ort.InferenceSession:
    """A session of one thread. Raises InvalidModel for what is no ONNX file."""
    options = ort.SessionOptions()
    # Products of uint8 and uint8 instead, which are exact everywhere, but take twice as long where uint8 and int8 are exact too.
    options.add_session_config_entry("session.x64quantprecision", "1" if _saturates() else "0")
    # One thread a request that does not spin: two spinning threads on a busy machine were twice as slow as one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise InvalidModel(f"{path}: not a model that ONNX Runtime loads: {error}") from error
