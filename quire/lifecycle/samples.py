"""The two samples that a drift is looked for between: images of two data versions, or the training data and a service's log."""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from quire.command import BadInput
from quire.items.tables import Item, Prediction, unpack
from quire.lifecycle.permutation_test import Sample
from quire.model.predictor import Predictor
from quire.provenance.lock import promised, resolve
from quire.provenance.results import IMAGES, ITEMS, MODEL, OUT_OF_FOLD
from quire.provenance.revisions import Version

MAX_IMAGES = 1000  # of each side: the distances between all pairs are held in memory
DAY = 86400  # seconds
Some = TypeVar("Some")


@dataclass(frozen=True)
class Seen:
    """One image: its document, its size in pixels, the model's probabilities, and its embedding or its unfamiliarity."""

    document: str
    width: int
    height: int
    probabilities: list[float]
    vector: list[float]


def since(root: Path, revision: str) -> tuple[Sample, Sample]:
    """The images of a commit, and those that came in since, by embedding. Raises BadInput for missing ones."""
    promised(root, revision)
    earlier, here = Version(root, resolve(root, revision), {}), Version(root, None, {})
    old, now = _kept(earlier), _kept(here)
    known = {item.image_sha256 for item in old}
    new = [item for item in now if item.image_sha256 not in known]
    if not new:
        raise BadInput(f"no image came in since {revision}")
    predictor = Predictor((root / MODEL).parent)
    if "image" not in predictor.modalities:
        raise BadInput("the model reads texts only, and --since compares images; compare the service's log with the training data")
    held_out = {row.key: row for row in _rows(here, OUT_OF_FOLD, Prediction)}

    def look(version: Version) -> Callable[[Item], Seen]:
        return lambda item: _look(version, item, predictor, held_out.get(str(item.key)))

    before, after = list(map(look(earlier), _some(old))), list(map(look(here), _some(new)))
    return _sample(revision, before, predictor, "embedding"), _sample(f"since {revision}", after, predictor, "embedding")


def _look(version: Version, item: Item, predictor: Predictor, held_out: Prediction | None) -> Seen:
    """What the model at hand says of an image; of one with a label, what a head said that was not fitted on it."""
    path = f"{IMAGES}/{item.image}"
    content = version.read(path)
    if content is None:
        raise BadInput(f"{path} of {version.commit} is neither in the cache nor in the remote: `dvc fetch --all-commits`")
    square = predictor.prepare(content)[None]  # (1, S, S, 3) uint8
    shares = unpack(held_out.probabilities) if held_out else predictor.run(square).probabilities[0].tolist()
    return _seen(item, shares, predictor.encode(square)[0][0].tolist())


def against_training(root: Path, logs: Sequence[Path], days: float | None) -> tuple[Sample, Sample]:
    """The labelled images as the cross-validation saw them, and the service's answers, by unfamiliarity.

    Raises BadInput for logs without answers.
    """
    predictor, here = Predictor((root / MODEL).parent), Version(root, None, {})
    item_of = {item.key: item for item in _kept(here)}
    held_out = _rows(here, OUT_OF_FOLD, Prediction)
    trained = [_seen(item_of[row.key], unpack(row.probabilities), [row.unfamiliarity or 0.0]) for row in held_out]
    rows = [row for log in logs for row in _answers(log, days)]
    asked = _comparable(rows, predictor.labels)
    name = str(logs[0]) if len(logs) == 1 else f"{len(logs)} logs"
    if not asked:
        raise BadInput(f"{name}: none of {len(rows)} answers{f' of the last {days:g} days' if days else ''} can be compared")
    training = _sample("training data", _some(trained), predictor, "unfamiliarity")
    return training, _sample(name, _some(asked), predictor, "unfamiliarity")


def _seen(item: Item, probabilities: list[float], vector: list[float]) -> Seen:
    return Seen(str(item.group or item.source), item.width or 1, item.height or 1, probabilities, vector)


def _answers(log: Path, days: float | None) -> list[tuple[Any, ...]]:
    if not log.is_file():
        raise BadInput(f"{log}: no such file; the service writes it")
    query = (
        "SELECT coalesce(document, sha256), width, height, probabilities, unfamiliarity FROM answers WHERE time >= ? ORDER BY id"
    )
    try:
        with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(query, (time.time() - days * DAY if days else 0,)).fetchall()
    except sqlite3.Error as error:
        raise BadInput(f"{log}: {error}; is it a log of this service?") from error


def _comparable(rows: Sequence[tuple[Any, ...]], labels: list[str]) -> list[Seen]:
    """What was asked, of the answers that know all and were given by a model of the same labels."""
    complete = [row for row in rows if None not in row and set(json.loads(row[3])) == set(labels)]
    return [
        Seen(document, width, height, [json.loads(shares)[label] for label in labels], [unfamiliarity])
        for document, width, height, shares, unfamiliarity in complete
    ]


def _sample(name: str, seen: Sequence[Seen], predictor: Predictor, vector: str) -> Sample:
    probabilities = np.array([image.probabilities for image in seen])  # (N, C)
    return Sample(
        name,
        np.array([image.document for image in seen]),
        {
            "class mix": np.eye(len(predictor.labels))[probabilities.argmax(1)],
            "image size": np.log([[image.width, image.height] for image in seen]),
            "confidence": probabilities.max(1, keepdims=True),
            vector: np.array([image.vector for image in seen], np.float64),
        },
        predictor.labels,
    )


def _some(rows: Sequence[Some]) -> list[Some]:
    if len(rows) <= MAX_IMAGES:
        return list(rows)
    chosen = np.random.default_rng(0).choice(len(rows), MAX_IMAGES, replace=False)
    return [rows[number] for number in sorted(chosen)]


def _kept(version: Version) -> list[Item]:
    return [item for item in _rows(version, ITEMS, Item) if item.status == "kept" and item.image]


def _rows(version: Version, path: str, row_type: type[Some]) -> list[Some]:
    rows = version.rows(path, row_type)
    if rows is None:
        place = version.commit or "the working tree"
        raise BadInput(f"{path} of {place} is neither here nor in the cache or the remote: `dvc pull`")
    return rows
