"""Predict with the model in a folder: `model.json` and the graphs that it names."""

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from quire.decode import MAX_PIXELS, decode
from quire.model.inputs import resize
from quire.model.manifest import UNSURE, InvalidModel, Modalities, Modality, read_manifest

# A graph (1, 64) uint8 · (64, 16) int8 → (1, 16) int32, ONNX in base64; a test builds it.
PRODUCT = (
    "CAgSADpcChgKAWEKAWISAXkiDU1hdE11bEludGVnZXISAWdaEwoBYRIOCgwIAhIICgIIAQoCCEBaEwoBYhIOCgwIAxIICgIIQAoC"
    "CBBiEwoBeRIOCgwIBhIICgIIAQoCCBBCBAoAEA0="
)

Encoded = tuple[NDArray[np.float32], NDArray[np.float32]]  # features (N, F) and probabilities of the backbone's classes (N, K)
Reason = Literal["low_confidence", "unfamiliar"]


@dataclass(frozen=True)
class Answer:
    """One item's answer. `decision` is the prediction, or `unsure` for a `reason`: the one that weighs first is named.

    `experts` are the shares of image and text in the log-odds of the first label over the second.
    """

    prediction: str
    decision: str
    reason: Reason | None
    probabilities: dict[str, float]
    unfamiliarity: float
    experts: dict[str, float] | None = None

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
    """The model in `folder`. Raises InvalidModel for a damaged one, and for graphs that do not fit its `model.json`.

    What reads images is there where the model does: `size`, `rule`, `encoder`, `head` and the methods that take a square.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest, self.sha256 = read_manifest(folder)
        self.version = self.sha256[:12]
        self.labels, inputs = self.manifest.labels, self.manifest.inputs
        self.modalities: tuple[Modality, ...] = tuple(name for name in get_args(Modality) if name in inputs)
        self.thresholds = next(iter(self.manifest.pooling.values())).thresholds
        if image := inputs.get("image"):
            self.size, self.rule = image.size, image.resize
            self.encoder, self.head = load_session(folder / image.encoder), self._graph("image")
            self._check()
        if text := inputs.get("text"):
            self.analyser, self.text = text.analyser, self._graph("text")
        if len(inputs) > 1:
            self.fusion = self._graph("image+text")

    def _graph(self, present: Modalities) -> ort.InferenceSession:
        if present not in self.manifest.pooling:
            raise InvalidModel(f"{self.folder}: model.json has inputs {', '.join(self.modalities)}, and no pooling for {present}")
        return load_session(self.folder / self.manifest.pooling[present].graph)

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

    def encode(self, images: NDArray[np.uint8]) -> Encoded:
        """(N, S, S, 3) uint8 → features (N, F) and probabilities of the backbone's classes (N, K), float32."""
        features, classes = run(self.encoder, ("features", "class_probabilities"), images=images)
        return features, classes

    def head_of(self, features: NDArray[np.float32], classes: NDArray[np.float32]) -> Outputs:
        """What the model says of images that are encoded."""
        return Outputs(*run(self.head, ("probabilities", "unfamiliarity"), features=features, class_probabilities=classes))

    def feature_map(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 → (N, F, H, W) float32, whose mean over places the features are."""
        return run(self.encoder, ("feature_map",), images=images)[0]

    def run_text(self, text: str) -> Outputs:
        """A text → probabilities (1, C) and unfamiliarity (1,)."""
        counts = self.analyser.counts(text)
        return Outputs(*run(self.text, ("probabilities", "unfamiliarity"), columns=counts.columns, counts=counts.counts))

    def classify_content(self, data: bytes | None, text: str | None) -> Answer:
        """The answer for an item of an encoded image, a text, or both, as `classify_item`. Raises UndecodableImage."""
        return self.answer_item(self.encoded(data) if data is not None and "image" in self.modalities else None, text)

    def classify_item(self, square: NDArray[np.uint8] | None, text: str | None) -> Answer:
        """The answer for an item of an image, (S, S, 3) uint8, a text, or both; what the model does not read is left aside.

        Raises ValueError where nothing is there that it reads.
        """
        return self.answer_item(self.encode(square[None]) if square is not None and "image" in self.modalities else None, text)

    def answer_item(self, encoded: Encoded | None, text: str | None) -> Answer:
        """The same for an image that is encoded, (1, F) and (1, K)."""
        present = self.present(encoded is not None, bool(text))
        image = self.head_of(*encoded) if encoded is not None else None
        said = self.run_text(str(text)) if "text" in present else None
        if image is None or said is None:
            outputs = image or said
            assert outputs
            answer = self.answer(outputs.probabilities[0], float(outputs.unfamiliarity[0]), present)
            return replace(answer, experts={present: 1.0}) if len(self.modalities) > 1 else answer
        outputs, *parts = self.pool(image, said)
        answer = self.answer(outputs.probabilities[0], float(outputs.unfamiliarity[0]), present)
        return replace(answer, experts=_shares(dict(zip(self.modalities, parts, strict=True)), answer.probabilities))

    def pool(self, image: Outputs, text: Outputs) -> tuple[Outputs, NDArray[np.float32], NDArray[np.float32]]:
        """What image and text say together, and each one's part of the logits, (C,)."""
        both = {"image": image, "text": text}
        inputs = {
            f"{each}_{name}": getattr(said, each) for name, said in both.items() for each in ("probabilities", "unfamiliarity")
        }
        *outputs, of_image, of_text = run(self.fusion, ("probabilities", "unfamiliarity", "said_image", "said_text"), **inputs)
        return Outputs(*outputs), of_image[0], of_text[0]

    def reads(self, image: bool, text: bool) -> bool:
        """Whether an item has something that the model reads."""
        return any(there and name in self.modalities for name, there in (("image", image), ("text", text)))

    def present(self, image: bool, text: bool) -> Modalities:
        """Which of the model's modalities an item has. Raises ValueError for none."""
        there = {"image": image, "text": text}
        named = [modality for modality in self.modalities if there[modality]]
        if not named:
            raise ValueError(f"the model reads {' and '.join(self.modalities)}, and neither is there")
        return "image+text" if len(named) > 1 else named[0]

    def answer(
        self, probabilities: Sequence[float] | NDArray[np.float32], unfamiliarity: float, present: Modalities | None = None
    ) -> Answer:
        """The answer that one row of the outputs, (C,) and a number, stands for, by the thresholds of what is `present`."""
        thresholds = self.manifest.pooling[present].thresholds if present else self.thresholds
        shares = dict(zip(self.labels, map(float, probabilities), strict=True))
        best = max(shares, key=shares.__getitem__)
        reason: Reason | None = None
        if shares[best] < thresholds.min_confidence:
            reason = "low_confidence"
        elif unfamiliarity > thresholds.max_unfamiliarity:
            reason = "unfamiliar"
        return Answer(best, UNSURE if reason else best, reason, shares, unfamiliarity)

    def classify(self, data: bytes) -> Answer:
        """The answer for one encoded image. Raises UndecodableImage."""
        return self.classify_content(data, None)

    def encoded(self, data: bytes) -> Encoded:
        """What the encoder says of one encoded image, (1, F) and (1, K). Raises UndecodableImage."""
        return self.encode(self.prepare(data)[None])


def _shares(parts: dict[Modality, NDArray[np.float32]], probabilities: dict[str, float]) -> dict[str, float]:
    """Each part's share, of logits (C,), of the log-odds of the first label over the second; together 1, and one may be below 0."""
    second, first = np.argsort(list(probabilities.values()), kind="stable")[-2:]
    odds = {name: float(part[first] - part[second]) for name, part in parts.items()}
    whole = sum(odds.values())
    return {name: round(own / whole, 6) if whole else 1 / len(odds) for name, own in odds.items()}


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
