"""Which images to push: all that were kept, or those whose label would teach most."""

import hashlib
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from labelling.errors import LabellingError
from labelling.parameters import LABELS
from labelling.tool import Image
from quire.items.annotations.exports import read_export
from quire.items.keys import portable
from quire.items.tables import Assignment, Item, Label, Prediction, read_table

IMAGES, ITEMS, SPLIT = Path("data/images"), Path("data/items.csv"), Path("data/split.csv")
OUT_OF_FOLD, PREDICTIONS = Path("reports/out_of_fold.csv"), Path("reports/predictions.csv")

Kept = dict[str, Item]  # by key
Row = TypeVar("Row")


def all_images() -> list[Image]:
    """Every image that the ledger keeps, read and held against its hash. Raises LabellingError that names a file."""
    return [_image(key, item) for key, item in _kept().items()]


def choose(only: str) -> list[Image]:
    """The images of one of CHOICES, the test set guarded.

    Its documents' images, and their equals, are never chosen by a model's mistakes or by people who corrected them:
    the test set's labels would be looked at again only where this model is wrong, and so lean towards it.
    """
    kept = _kept()
    chosen = CHOICES[only](kept)
    guarded = set() if only == "unlabelled" else _guarded(kept)
    return [_image(key, kept[key]) for key in sorted(chosen - guarded)]


def _unlabelled(kept: Kept) -> set[str]:
    """Without a label: nobody's vote, a tie, a conflict."""
    return set(kept) - set(_label_of())


def _disagreement(kept: Kept) -> set[str]:
    """Labelled images that the cross-validated model calls something else."""
    return {row.key for row in _table(OUT_OF_FOLD, Prediction) if row.key in kept and row.prediction != row.label}


def _unsure(kept: Kept) -> set[str]:
    """Images of which the served model said unsure, in the last evaluation or as the service's latest answer."""
    judged = {row.key for row in _table(PREDICTIONS, Prediction) if row.key in kept and row.decision == "unsure"}
    store = _store() / "answers.db"
    if not store.exists():
        return judged
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        latest = database.execute("SELECT sha256, decision, max(time) FROM answers GROUP BY sha256").fetchall()
    unsure = {sha256 for sha256, decision, _ in latest if decision == "unsure"}
    return judged | _of_content(unsure, kept, "answers of the service were unsure about")


def _feedback(kept: Kept) -> set[str]:
    """Images for which people sent the service a label that is not the one in data/labels.csv, or has none there."""
    label_of, sent = _label_of(), defaultdict(set)
    for path in sorted(_store().glob("*.csv")):
        for vote in read_export(path.read_bytes(), str(path)).votes:
            sent[vote.sha256].add(vote.label)
    named = _of_content(set(sent), kept, "labels came for")
    return {key for key in named if sent[kept[key].image_sha256] - {label_of.get(key)}}


CHOICES: dict[str, Callable[[Kept], set[str]]] = {
    "unsure": _unsure,
    "disagreement": _disagreement,
    "feedback": _feedback,
    "unlabelled": _unlabelled,
}


def _guarded(kept: Kept) -> set[str]:
    """The images of the test set's groups: they share its fate."""
    groups = {kept[row.key].group for row in _table(SPLIT, Assignment) if row.set == "test" and row.key in kept}
    return {key for key, item in kept.items() if item.group in groups}


def _of_content(hashes: set[str | None], kept: Kept, what: str) -> set[str]:
    """The images of these contents; what is not in the ledger cannot be pushed, and is said."""
    strange = hashes - {item.image_sha256 for item in kept.values()}
    if strange:
        print(f"push: {what} {len(strange)} images that are not in {ITEMS}; bring their documents in to have them labelled")
    return {key for key, item in kept.items() if item.image_sha256 in hashes}


def _store() -> Path:
    return Path(os.environ.get("QUIRE_STORE", "feedback"))  # as service/settings.py has it


def _kept() -> Kept:
    return {str(item.key): item for item in _table(ITEMS, Item) if item.status == "kept"}


def _label_of() -> dict[str, str]:
    return {row.key: row.label for row in read_table(LABELS, Label)} if LABELS.exists() else {}


def _table(path: Path, row_type: type[Row]) -> list[Row]:
    if not path.exists():
        raise LabellingError(f"{path} is not there: `dvc repro` makes it")
    return read_table(path, row_type)


def _image(key: str, item: Item) -> Image:
    path = IMAGES / str(item.image)
    content = path.read_bytes() if path.exists() else None
    if content is None or hashlib.sha256(content).hexdigest() != item.image_sha256:
        state = "is not there" if content is None else "is not the file that data/items.csv names"
        raise LabellingError(f"{path} {state}: `dvc repro extract` makes it anew")
    return Image(key, portable(path.name), path, str(item.image_sha256), len(content))
