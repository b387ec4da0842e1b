"""`model.json`: what a model is. It names the graphs that answer, and how their answers are read."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from quire.command import BadInput
from quire.model.analyser import Analyser
from quire.model.inputs import ResizeRule

FILE = "model.json"
ENCODER, ANSWER, ACTIVATION_MAP, NEIGHBOURS = "image_encoder.onnx", "answer_image.onnx", "activation_map.onnx", "neighbours.npz"
TEXT_ANSWER, FUSION = "answer_text.onnx", "answer_image_text.onnx"
UNSURE = "unsure"  # a decision, so no label

Modality = Literal["image", "text"]
Modalities = Literal["image", "text", "image+text"]  # of an item: what is there


class InvalidModel(BadInput):
    """The folder holds no model that Quire wrote; the message says what is missing."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageInput(_Part):
    """How an image becomes the encoder's input: (size, size, 3) uint8 RGB."""

    size: Annotated[int, Field(ge=1)]
    resize: ResizeRule
    encoder: str


class TextInput(_Part):
    """How a text becomes the text expert's input: columns (K,) int64 and counts (K,) float32 of its n-grams."""

    analyser: Analyser


class Inputs(TypedDict, total=False):
    """What the model reads: an image, a text, or either and both."""

    image: ImageInput
    text: TextInput


class Expert(_Part):
    """A source of logits, one a label: what it reads, and what it answers."""

    modality: Modality
    answers: str


class Thresholds(_Part):
    """When an answer is given, and how that was settled on held-out images (see `quire/training/selective.py`)."""

    min_confidence: float
    max_unfamiliarity: float
    max_risk: float
    confidence: float
    max_error_probability: float
    in_distribution_quantile: float
    risk: float
    coverage: float
    met: bool
    images: int


class Pooling(_Part):
    """For a set of modalities: the graph that answers, what its experts weigh, how the head is damped, when it answers."""

    graph: str
    weights: dict[str, float]
    damping: dict[str, float] | None
    thresholds: Thresholds


class Manifest(_Part):
    """All of `model.json`. `parts` has the SHA-256 of each file beside it, `lineage` what the model was fitted on."""

    schema_version: Literal[1] = 1
    labels: Annotated[list[str], Field(min_length=2)]
    inputs: Inputs
    experts: dict[str, Expert]
    pooling: Annotated[dict[Modalities, Pooling], Field(min_length=1)]
    lineage: dict[str, str]
    parts: dict[str, str]


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest, and its SHA-256, which is the model's version.

    Raises InvalidModel where it or a part of it is missing, is not what it says, or is of another layout.
    """
    path = folder / FILE
    if not path.is_file():
        earlier = "; the model.onnx there is of an earlier layout" if (folder / "model.onnx").is_file() else ""
        raise InvalidModel(f"{path}: no such file{earlier}; `dvc repro` or `dvc pull` brings it")
    content = path.read_bytes()
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "its text"
        raise InvalidModel(f"{path}: {place}: {problem['msg']}; was it written by another version of `train`?") from error
    for name, sha256 in manifest.parts.items():
        if not (folder / name).is_file():
            raise InvalidModel(f"{folder / name}: no such file, and {FILE} names it; `dvc repro` or `dvc pull` brings it")
        if hash_part(folder / name) != sha256:
            raise InvalidModel(f"{folder / name}: is not the file that {FILE} names; `dvc checkout` or `dvc pull` brings that one")
    return manifest, hashlib.sha256(content).hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write `model.json`; the same bytes for the same model. Returns its SHA-256."""
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    (folder / FILE).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def hash_part(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
