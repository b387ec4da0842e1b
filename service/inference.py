"""Decode an image and predict on a few threads, with a bound on the requests that may wait for them."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

from quire.decode import UndecodableImage, decode
from quire.model.evidence import evidence_of
from quire.model.explain import data_uri
from quire.model.inputs import resize
from quire.model.predictor import Answer, Predictor
from service.errors import Refused
from service.loaded import Loaded, load
from service.schema import Explanation, ImageAnswer, ModelVersion, NGram, SimilarImage, Words
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
    """An answer with its id and the model that gave it; the SHA-256 of the image and its size in pixels, or of the text and 0."""

    id: str
    sha256: str
    answer: Answer
    width: int
    height: int
    by: Loaded


class Inference:
    """The model and its threads. Raises InvalidModel where the model cannot be served."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loaded = load(settings)  # service.reload exchanges it: who needs two things of a model takes it once
        self.threads = ThreadPoolExecutor(settings.threads, "predict")  # none is started before there is work
        self.under_way = 0

    @property
    def predictor(self) -> Predictor:
        """The present model."""
        return self.loaded.predictor

    @property
    def model(self) -> ModelVersion:
        """What an answer says of the present model."""
        return self.loaded.model

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
        by, image, square = self.loaded, None, None
        modalities = by.predictor.modalities
        if not by.predictor.reads(sent.image is not None, bool(sent.text)):
            raise Refused("wrong_field", f"the model reads {' and '.join(modalities)}, and no {' or '.join(modalities)} was sent")
        if sent.image is not None and "image" in modalities:
            try:
                image = decode(sent.image, self.settings.max_pixels, by.predictor.size)
                square = resize(image, by.predictor.size, by.predictor.rule)  # (S, S, 3) uint8
            except UndecodableImage as error:
                raise Refused(error.code, str(error)) from error
        answer = by.predictor.classify_item(square, sent.text)
        width, height = image.info["size"] if image else (0, 0)
        return Classified(os.urandom(16).hex(), hashlib.sha256(sent.content).hexdigest(), answer, width, height, by)

    def explain(self, sent: Sent, classified: Classified) -> Explanation:
        """Why an item that was answered got this answer, of the model that gave it."""
        found = self._places(sent.image, classified) if sent.image is not None and classified.width else Explanation()
        if sent.text and "text" in classified.by.predictor.modalities:
            found.words = _words(classified.by.predictor, sent.text, classified.answer)
        return found

    def _places(self, data: bytes, classified: Classified) -> Explanation:
        explainer = classified.by.explainer
        square = classified.by.predictor.prepare(data, self.settings.max_pixels)  # (S, S, 3) uint8
        nearest = [SimilarImage(**asdict(neighbour)) for neighbour in explainer.nearest(square)]
        activation = explainer.activation_map(square, classified.answer.prediction)
        return Explanation(places=data_uri(activation), nearest=nearest)

    def warm_up(self) -> None:
        """Answer something, as a check that the model answers at all."""
        self.loaded.warm_up()

    def render(self, classified: Classified) -> ImageAnswer:
        """An answer as the client reads it."""
        answer = classified.answer
        rendered = ImageAnswer(
            prediction=answer.prediction,
            decision=answer.decision,
            reason=answer.reason,
            probabilities=answer.probabilities,
            model=classified.by.model,
            id=classified.id,
        )
        if answer.experts is not None:
            rendered.experts = answer.experts
        return rendered


def _words(predictor: Predictor, text: str, answer: Answer) -> Words:
    """What in the text speaks for the prediction over the next label, and what against it."""
    told = [[NGram(**asdict(each)) for each in side] for side in evidence_of(predictor, text, answer)]
    return Words(speak_for=told[0], speak_against=told[1])
