"""Images with labels that are never trained, calibrated or tuned on: data/challenge.

A folder a label, perhaps with a folder a kind in it (`other/animals/…`); or any folders and one CSV file at the top, of
any name, whose columns `file` and `label`, and perhaps `kind`, say what is what. `evaluate` reports by kind.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from quire.command import BadInput
from quire.decode import UndecodableImage
from quire.evaluation.metrics import Figure, outcome
from quire.items.annotations.table import rows_of, text_of
from quire.model.manifest import UNSURE
from quire.model.predictor import Answer, Predictor

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".heic", ".heif"}


@dataclass(frozen=True)
class Challenge:
    """An image, its label, and the kind that it is reported under."""

    file: Path
    label: str
    kind: str


class ChallengeOutcome(TypedDict):
    """What became of images with labels, and why the model was unsure of some."""

    images: int
    right: Figure
    decided_wrong: Figure
    unsure: Figure
    reasons: dict[str, int]


class ChallengeReport(TypedDict):
    """Over all images, and for each kind."""

    all: ChallengeOutcome
    kinds: dict[str, ChallengeOutcome]


def challenge_set(folder: Path, labels: Sequence[str]) -> list[Challenge]:
    """The images in `folder`, sorted; none where it is empty.

    Raises BadInput for a label that the model has not, for two lists, and for what a list names wrongly.
    """
    listed = _list_in(folder)
    rows = _listed(listed) if listed else _by_folder(folder)
    for row in rows:
        if row.label not in labels:
            hint = f"; name the folder after a label, or list the images in a CSV file in {folder} (file,label,kind)"
            raise BadInput(f"{row.file}: {row.label!r} is none of the labels {', '.join(labels)}{'' if listed else hint}")
    return sorted(rows, key=lambda row: row.file)


def _list_in(folder: Path) -> Path | None:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv") if folder.is_dir() else []
    if len(found) > 1:
        raise BadInput(f"{found[0]} and {found[1]}: two lists; one CSV file says what each image is")
    return found[0] if found else None


def _listed(path: Path) -> list[Challenge]:
    columns, rows = rows_of(text_of(path.read_bytes(), str(path)))
    if missing := {"file", "label"} - columns:
        raise BadInput(f"{path}: has no column {', '.join(sorted(missing))}")
    found = []
    for line, cells in rows:
        file = path.parent / cells.get("file", "")
        if not file.is_file():
            raise BadInput(f"{path}: line {line}, column file: no such image: {cells.get('file', '')!r}")
        found.append(Challenge(file, cells.get("label", ""), cells.get("kind") or cells.get("label", "")))
    return found


def _by_folder(folder: Path) -> list[Challenge]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES]
    parts = [(path, path.relative_to(folder).parts[:-1]) for path in files]
    loose = next((path for path, names in parts if not names), None)
    if loose:
        raise BadInput(f"{loose}: lies in no folder that bears its label")
    return [Challenge(path, names[0], "/".join(names)) for path, names in parts]


def ask(predictor: Predictor, images: Sequence[Challenge]) -> list[Answer]:
    """The served model's answer for each. Raises BadInput for an image that the service would refuse."""
    answers = []
    for image in images:
        try:
            answers.append(predictor.classify(image.file.read_bytes()))
        except UndecodableImage as error:
            raise BadInput(f"{image.file}: {error}") from error
    return answers


def challenge_report(predictor: Predictor, folder: Path) -> ChallengeReport | None:
    """How the served model does on the images in `folder`, over all and by kind; None where there are none."""
    images = challenge_set(folder, predictor.labels)
    if not images:
        return None
    of_kind: dict[str, list[tuple[str, Answer]]] = {kind: [] for kind in sorted({image.kind for image in images})}
    for image, answer in zip(images, ask(predictor, images), strict=True):
        of_kind[image.kind].append((image.label, answer))
    together = [pair for pairs in of_kind.values() for pair in pairs]
    return {"all": challenge_outcome(together), "kinds": {kind: challenge_outcome(pairs) for kind, pairs in of_kind.items()}}


def challenge_outcome(pairs: Sequence[tuple[str, Answer]]) -> ChallengeOutcome:
    """What became of images with labels; each stands for itself, for nothing says which come from one document."""
    reasons = Counter(answer.reason for _, answer in pairs if answer.reason)
    correct = np.array([answer.prediction == label for label, answer in pairs], bool)
    answered = np.array([answer.decision != UNSURE for _, answer in pairs], bool)
    return {
        "images": len(pairs),
        **outcome(correct, answered),
        "reasons": {name: reasons[name] for name in ("low_confidence", "unfamiliar")},
    }
