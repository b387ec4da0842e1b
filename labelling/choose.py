"""Which images to push: all that were kept, or those whose label would teach most."""

import csv
import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from labelling.errors import LabellingError
from labelling.tool import Image
from quire.items.keys import portable

IMAGES, ITEMS, LABELS, SPLIT = Path("data/images"), Path("data/items.csv"), Path("data/labels.csv"), Path("data/split.csv")
OUT_OF_FOLD, PREDICTIONS = Path("model/out_of_fold.csv"), Path("reports/predictions.csv")

Row = dict[str, str]


def all_images() -> list[Image]:
    """Every image that the ledger keeps, read and held against its hash. Raises LabellingError that names a file."""
    return [_image(row) for row in _kept().values()]


def choose(only: str) -> list[Image]:
    """The images of one of CHOICES, the test set guarded.

    Its documents' images, and their equals, are never chosen by a model's mistakes or by people who corrected them:
    the test set's labels would be looked at again only where this model is wrong, and so lean towards it.
    """
    kept = _kept()
    chosen = CHOICES[only](kept)
    guarded = set() if only == "unlabelled" else _guarded(kept)
    return [_image(kept[key]) for key in sorted(chosen - guarded)]


def _unlabelled(kept: dict[str, Row]) -> set[str]:
    """Without a label: nobody's vote, a tie, a conflict."""
    return set(kept) - set(_by_key(LABELS) if LABELS.exists() else {})


def _disagreement(kept: dict[str, Row]) -> set[str]:
    """Labelled images that the cross-validated model calls something else."""
    rows = _by_key(OUT_OF_FOLD)
    classes = [name for name in next(iter(rows.values()), {}) if name not in ("key", "fold", "label")]
    return {key for key, row in rows.items() if key in kept and max(classes, key=lambda name: float(row[name])) != row["label"]}


def _unsure(kept: dict[str, Row]) -> set[str]:
    """Images of which the served model said unsure, in the last evaluation or as the service's latest answer."""
    judged = {key for key, row in _by_key(PREDICTIONS).items() if key in kept and row["decision"] == "unsure"}
    store = _store() / "answers.db"
    if not store.exists():
        return judged
    with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        latest = database.execute("SELECT sha256, decision, max(time) FROM answers GROUP BY sha256").fetchall()
    unsure = {sha256 for sha256, decision, _ in latest if decision == "unsure"}
    return judged | _of_content(unsure, kept, "answers of the service were unsure about")


def _feedback(kept: dict[str, Row]) -> set[str]:
    """Images for which people sent the service a label that is not the one in data/labels.csv, or has none there."""
    label_of = {key: row["label"] for key, row in (_by_key(LABELS) if LABELS.exists() else {}).items()}
    sent = [row for path in sorted(_store().glob("*.csv")) for row in _rows(path)]
    _of_content({row["sha256"] for row in sent}, kept, "labels came for")
    named = {(key, row["label"]) for row in sent for key, item in kept.items() if item["image_sha256"] == row["sha256"]}
    return {key for key, label in named if label_of.get(key) != label}


CHOICES: dict[str, Callable[[dict[str, Row]], set[str]]] = {
    "unsure": _unsure,
    "disagreement": _disagreement,
    "feedback": _feedback,
    "unlabelled": _unlabelled,
}


def _guarded(kept: dict[str, Row]) -> set[str]:
    """The images of the test set's documents and all that equal one of the test set: they share its fate."""
    tested = [kept[row["key"]] for row in _rows(SPLIT) if row["set"] == "test" and row["key"] in kept]
    documents, contents = {row["source"] for row in tested}, {row["image_sha256"] for row in tested}
    return {key for key, row in kept.items() if row["source"] in documents or row["image_sha256"] in contents}


def _of_content(hashes: set[str], kept: dict[str, Row], what: str) -> set[str]:
    """The images of these contents; what is not in the ledger cannot be pushed, and is said."""
    strange = hashes - {row["image_sha256"] for row in kept.values()}
    if strange:
        print(f"push: {what} {len(strange)} images that are not in {ITEMS}; bring their documents in to have them labelled")
    return {key for key, row in kept.items() if row["image_sha256"] in hashes}


def _store() -> Path:
    return Path(os.environ.get("QUIRE_STORE", "feedback"))  # as service/settings.py has it


def _kept() -> dict[str, Row]:
    return {row["key"]: row for row in _rows(ITEMS) if row["status"] == "kept"}


def _by_key(path: Path) -> dict[str, Row]:
    return {row["key"]: row for row in _rows(path)}


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        raise LabellingError(f"{path} is not there: `dvc repro` makes it")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _image(row: Row) -> Image:
    path = IMAGES / row["image"]
    content = path.read_bytes() if path.exists() else None
    if content is None or hashlib.sha256(content).hexdigest() != row["image_sha256"]:
        state = "is not there" if content is None else "is not the file that data/items.csv names"
        raise LabellingError(f"{path} {state}: `dvc repro extract` makes it anew")
    return Image(row["key"], portable(row["image"]), path, row["image_sha256"], len(content))
