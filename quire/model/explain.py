"""Why an answer is what it is: the places of the image that speak for it, and the training images most like it."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quire.model.predictor import InvalidModel, Predictor, load_session

# Beside the model:
REFERENCES = "references.npz"  # what the training images are called and where they come from
PLACES = "places.onnx"  # what each place of a feature map would be called alone
NEAREST = 5


@dataclass(frozen=True)
class Neighbour:
    """A training image, and the cosine between its features and the asked image's."""

    key: str
    label: str
    document: str
    page: int
    similarity: float

    @property
    def caption(self) -> str:
        """Its label and where it stands; pages count from one, as people count them."""
        return f"{self.label}: {self.document}, page {self.page + 1}"


def overlay(square: NDArray[np.uint8], places: NDArray[np.float32]) -> Image.Image:
    """The image as the network sees it, (S, S, 3) uint8, dark where its places, (H, W) in 0 … 1, do not speak for the label."""
    light = Image.fromarray((places * 255).astype(np.uint8)).resize(square.shape[1::-1], Image.Resampling.BICUBIC)
    weight = 0.2 + 0.8 * np.asarray(light, np.float32)[..., None] / 255  # (S, S, 1)
    return Image.fromarray((square * weight).astype(np.uint8))


def data_uri(image: Image.Image) -> str:
    """The image as a PNG in a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


class Explainer:
    """Explains a predictor's answers; names training images only where it is given their file.

    Raises InvalidModel where that is missing.
    """

    def __init__(self, predictor: Predictor, places: Path, references: Path | None) -> None:
        self.predictor = predictor
        self.session = load_session(places) if places.is_file() else None
        self.references: dict[str, NDArray[Any]] = {}
        if references:
            if not references.is_file():
                raise InvalidModel(f"{references}: no such file, and QUIRE_EXPLAIN_NEIGHBOURS names training images by it")
            with np.load(references, allow_pickle=False) as stored:
                self.references = {name: stored[name] for name in stored.files}
            features = self.references["features"]  # (M, 1280) float32
            self.unit = features / np.linalg.norm(features, axis=1, keepdims=True)

    def places(self, square: NDArray[np.uint8], label: str) -> Image.Image | None:
        """The image, (S, S, 3) uint8, with the places that alone would be called `label` in full light.

        None where the model came without its `places.onnx`.
        """
        if self.session is None:
            return None
        (places,) = self.session.run(["places"], {"feature_map": self.predictor.feature_map(square[None])})
        return overlay(square, np.asarray(places)[0, self.predictor.labels.index(label)])

    def nearest(self, square: NDArray[np.uint8], asked_key: str = "") -> list[Neighbour]:
        """The training images most like (S, S, 3) uint8, the nearest first; none without their file.

        Where the image asked about is one of them, its key keeps it from being its own neighbour.
        """
        if not self.references:
            return []
        asked = self.predictor.features(square[None])[0]  # (1280,)
        similarity = self.unit @ asked / np.linalg.norm(asked)  # (M,)
        order = np.argsort(-similarity, kind="stable")[: NEAREST + 1]
        neighbours = [self._neighbour(number, float(similarity[number])) for number in order]
        return [neighbour for neighbour in neighbours if neighbour.key != asked_key][:NEAREST]

    def _neighbour(self, number: int, similarity: float) -> Neighbour:
        key, label, document, page = (self.references[name][number] for name in ("keys", "labels", "documents", "pages"))
        return Neighbour(str(key), str(label), str(document), int(page), round(similarity, 4))
