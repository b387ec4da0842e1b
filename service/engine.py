"""Decode and predict on a few threads, with a bound on what may wait for them."""

import asyncio
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from quire.decode import UndecodableImage, decode
from quire.model.explain import PLACES, REFERENCES, Explainer, data_uri
from quire.model.predictor import Answer, Predictor
from quire.model.registry import model_file
from service.errors import Refused, undecodable
from service.settings import Settings
from service.threads import Result, Threads

ARCHIVED = "$Format:%H$"  # `git archive`, of which the bento is made, writes the commit here: see .gitattributes


@dataclass(frozen=True)
class Given:
    """An answer with its id; of the image the hash of its bytes, its pixels, and how unlike the training images it is."""

    id: str
    sha256: str
    answer: Answer
    width: int
    height: int
    unfamiliarity: float


@dataclass(frozen=True)
class Origin:
    """The PDF that an image was sent in: the hash of its bytes, page and index, both from 0."""

    document: str
    page: int
    index: int


class Engine:
    """The model and its threads. Raises InvalidModel where the file cannot be served."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with model_file(settings.model) as path:
            self.predictor = Predictor(path)
            references = path.with_name(REFERENCES) if settings.explain_neighbours else None
            self.explainer = Explainer(self.predictor, path.with_name(PLACES), references)
            version = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            stated = path.with_name("commit")  # a model out of a registry was made by another commit than the code
            of_model = stated.read_text(encoding="utf-8") if stated.is_file() else commit()
        self.under_way = 0
        self.model = {"version": version, "commit": of_model, "data": self.predictor.lineage["images"][:12]}

    @cached_property
    def threads(self) -> Threads:
        """Started with the first request: to check a model takes none."""
        return Threads(self.settings.threads)

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

    async def on_threads(self, works: Iterable[Callable[[], Result]]) -> list[Result]:
        """Run pieces of blocking work side by side on the model's threads."""
        return await asyncio.gather(*map(self.threads.run, works))

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run blocking work on a thread, in a slot of its own. Raises Refused."""
        with self.slot():
            return await self.threads.run(work)

    def classify(self, data: bytes) -> Given:
        """The answer for one encoded image. Raises Refused."""
        try:
            image = decode(data, self.settings.max_pixels)
            square = resize(image, self.predictor.size, self.predictor.rule)  # (S, S, 3) uint8
        except UndecodableImage as error:
            raise undecodable(error) from error
        outputs = self.predictor.run(square[None])
        unfamiliarity = float(outputs.unfamiliarity[0])
        answer = self.predictor.answer(outputs.probabilities[0], unfamiliarity)
        return Given(os.urandom(16).hex(), hashlib.sha256(data).hexdigest(), answer, image.width, image.height, unfamiliarity)

    def explain(self, data: bytes, answer: Answer) -> dict[str, Any]:
        """Why an image that was answered got this answer: an image of its places, and training images where allowed."""
        square = self.predictor.prepare(data, self.settings.max_pixels)  # (S, S, 3) uint8
        nearest = [asdict(neighbour) for neighbour in self.explainer.nearest(square)]
        places = self.explainer.places(square, answer.prediction)
        return {"places": places and data_uri(places), "nearest": nearest}

    def warm_up(self) -> None:
        """Answer a blank image, as a check that the model answers at all."""
        size = self.predictor.size
        self.predictor.run(np.zeros((1, size, size, 3), np.uint8))

    def render(self, given: Given) -> dict[str, Any]:
        """An answer as the client reads it."""
        answer = given.answer
        return {
            "prediction": answer.prediction,
            "decision": answer.decision,
            "reason": answer.reason,
            "probabilities": answer.probabilities,
            "model": self.model,
            "id": given.id,
        }


def commit() -> str:
    """The commit that this code was exported from or that is checked out, or "unknown"."""
    if not ARCHIVED.startswith("$"):
        return ARCHIVED
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except OSError:  # no git here
        return "unknown"
    return done.stdout.strip() or "unknown"
