"""Decode an image and predict on a few threads, with a bound on the requests that may wait for them."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np

from quire.decode import UndecodableImage, decode
from quire.model.explain import Explainer, data_uri
from quire.model.inputs import resize
from quire.model.predictor import Answer, Predictor
from quire.model.registry import model_folder
from service.commit import commit
from service.errors import Refused
from service.schema import Explanation, ImageAnswer, ModelVersion, SimilarImage
from service.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sent:
    """What is to be classified: an encoded image, a text, or both."""

    image: bytes | None
    text: str | None = None

    @property
    def content(self) -> bytes:
        """What the log knows it by: the image, or the text of an item without one."""
        return self.image if self.image is not None else str(self.text).encode()


@dataclass(frozen=True)
class Classified:
    """An answer with its id; the SHA-256 of the image's bytes and its size in pixels, or the SHA-256 of the text and 0."""

    id: str
    sha256: str
    answer: Answer
    width: int
    height: int


class Inference:
    """The model and its threads. Raises InvalidModel where the model cannot be served."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with model_folder(settings.model) as folder:
            self.predictor = Predictor(folder)
            if "image" in self.predictor.modalities:
                self.explainer = Explainer(self.predictor, neighbours=settings.explain_neighbours)
            stated = folder / "commit"  # a model out of a registry was made by another commit than the code
            of_model = stated.read_text(encoding="utf-8") if stated.is_file() else commit()
        lineage = self.predictor.manifest.lineage
        data = lineage.get("images", lineage.get("texts", ""))[:12]
        self.model = ModelVersion(version=self.predictor.version, commit=of_model, data=data)
        self.threads = ThreadPoolExecutor(settings.threads, "predict")  # none is started before there is work
        self.under_way = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """A place among the requests under way. Raises Refused where all are taken."""
        if self.under_way >= self.settings.max_requests:
            raise Refused("busy", f"{self.under_way} requests are under way, which is the limit; try again in a second")
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def run(self, works: Iterable[Callable[[], Result]]) -> list[Result]:
        """Run pieces of blocking work side by side on the model's threads. Raises what the first that fails raises."""
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self.threads, work) for work in works))

    def classify(self, sent: Sent) -> Classified:
        """The answer for one item. Raises Refused for an image that cannot be decoded, and for nothing that the model reads."""
        image, square, modalities = None, None, self.predictor.modalities
        if not ((sent.image is not None and "image" in modalities) or (sent.text and "text" in modalities)):
            raise Refused("wrong_field", f"the model reads {' and '.join(modalities)}, and no {' or '.join(modalities)} was sent")
        if sent.image is not None and "image" in modalities:
            try:
                image = decode(sent.image, self.settings.max_pixels, self.predictor.size)
                square = resize(image, self.predictor.size, self.predictor.rule)  # (S, S, 3) uint8
            except UndecodableImage as error:
                raise Refused(error.code, str(error)) from error
        answer = self.predictor.classify_item(square, sent.text)
        width, height = image.info["size"] if image else (0, 0)
        return Classified(os.urandom(16).hex(), hashlib.sha256(sent.content).hexdigest(), answer, width, height)

    def explain(self, data: bytes, answer: Answer) -> Explanation:
        """Why an image that was answered got this answer."""
        square = self.predictor.prepare(data, self.settings.max_pixels)  # (S, S, 3) uint8
        nearest = [SimilarImage(**asdict(neighbour)) for neighbour in self.explainer.nearest(square)]
        activation = self.explainer.activation_map(square, answer.prediction)
        return Explanation(places=data_uri(activation), nearest=nearest)

    def warm_up(self) -> None:
        """Answer a blank image or a word, as a check that the model answers at all."""
        images = "image" in self.predictor.modalities
        size = self.predictor.size if images else 0
        self.predictor.classify_item(np.zeros((size, size, 3), np.uint8) if images else None, "word")

    def render(self, classified: Classified) -> ImageAnswer:
        """An answer as the client reads it."""
        answer = classified.answer
        return ImageAnswer(
            prediction=answer.prediction,
            decision=answer.decision,
            reason=answer.reason,
            probabilities=answer.probabilities,
            model=self.model,
            id=classified.id,
        )
