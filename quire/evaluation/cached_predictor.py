"""The predictor for many images: what the encoder says of one is taken from the cache that training fills, and kept there."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quire.model.predictor import Encoded, Predictor
from quire.training.features import FeatureCache


class CachedPredictor(Predictor):
    """Answers as the model in `folder` does; `flush` writes what is new to the cache. Raises InvalidModel as the predictor does."""

    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__(folder)
        if "image" in self.modalities:
            self.cache = FeatureCache(folder / self.manifest.inputs["image"].encoder, self.size, self.rule, cache)
            self.cache.session = self.encoder

    def flush(self) -> None:
        """Write what is new to the cache."""
        if "image" in self.modalities:
            self.cache.flush()

    def encoded(self, data: bytes) -> Encoded:
        """What the encoder says of one encoded image, (1, F) and (1, K). Raises UndecodableImage."""
        features, classes = self.cache.row(hashlib.sha256(data).digest(), lambda: self.prepare(data))
        return features, classes

    def encode(self, images: NDArray[np.uint8]) -> Encoded:
        """As the predictor's, but one image at a time; a square is known by the hash of its pixels."""
        rows = [self.cache.row(hashlib.sha256(image.tobytes()).digest(), partial(np.asarray, image)) for image in images]
        features, classes = (np.concatenate(each) for each in zip(*rows, strict=True))
        return features, classes
