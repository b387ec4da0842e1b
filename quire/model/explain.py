"""Why an answer is what it is: the places of the image that speak for it, and the training images most like it."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quire.model.manifest import ACTIVATION_MAP, NEIGHBOURS
from quire.model.predictor import Predictor, load_session, run

NEAREST = 5


@dataclass(frozen=True)
class Neighbour:
    """A training image, and the cosine between its features and the asked image's. `page` is None for an image file."""

    key: str
    label: str
    document: str
    page: int | None
    similarity: float

    @property
    def caption(self) -> str:
        """Its label and where it stands."""
        return f"{self.label}: {self.place}"

    @property
    def place(self) -> str:
        """Its document and page; pages count from one, as people count them."""
        return self.document if self.page is None else f"{self.document}, page {self.page + 1}"


def overlay(square: NDArray[np.uint8], activation: NDArray[np.float32]) -> Image.Image:
    """The image as the encoder sees it, (S, S, 3) uint8, dark where the map, (H, W) in 0 … 1, does not speak for the label."""
    light = Image.fromarray((activation * 255).astype(np.uint8)).resize(square.shape[1::-1], Image.Resampling.BICUBIC)
    weight = 0.2 + 0.8 * np.asarray(light, np.float32)[..., None] / 255  # (S, S, 1)
    return Image.fromarray((square * weight).astype(np.uint8))


def data_uri(image: Image.Image) -> str:
    """The image as a PNG in a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


class Explainer:
    """Explains a predictor's answers; names training images only where `neighbours` allows it."""

    def __init__(self, predictor: Predictor, *, neighbours: bool) -> None:
        self.predictor = predictor
        self.session = load_session(predictor.folder / ACTIVATION_MAP)
        self.references: dict[str, NDArray[Any]] = {}
        if neighbours:
            with np.load(predictor.folder / NEIGHBOURS, allow_pickle=False) as stored:
                self.references = {name: stored[name] for name in stored.files}
            features = self.references["features"]  # (M, F) float32
            self.unit = features / np.linalg.norm(features, axis=1, keepdims=True)

    def activation_map(self, square: NDArray[np.uint8], label: str) -> Image.Image:
        """The image, (S, S, 3) uint8, with the places that alone would be called `label` in full light."""
        (activation,) = run(self.session, ("activation_map",), feature_map=self.predictor.feature_map(square[None]))
        return overlay(square, activation[0, self.predictor.labels.index(label)])

    def nearest(self, square: NDArray[np.uint8], asked_key: str = "") -> list[Neighbour]:
        """The training images most like (S, S, 3) uint8, the nearest first; none where they are not to be named.

        Where the image asked about is one of them, its key keeps it from being its own neighbour.
        """
        if not self.references:
            return []
        asked = self.predictor.encode(square[None])[0][0]  # (F,)
        similarity = self.unit @ asked / np.linalg.norm(asked)  # (M,)
        order = np.argsort(-similarity, kind="stable")[: NEAREST + 1]
        neighbours = [self._neighbour(number, float(similarity[number])) for number in order]
        return [neighbour for neighbour in neighbours if neighbour.key != asked_key][:NEAREST]

    def _neighbour(self, number: int, similarity: float) -> Neighbour:
        key, label, document, page = (self.references[name][number] for name in ("keys", "labels", "documents", "pages"))
        return Neighbour(str(key), str(label), str(document), None if page < 0 else int(page), round(similarity, 4))
