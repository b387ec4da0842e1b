"""Images with labels that are never trained, calibrated or tuned on: data/challenge.

A folder a label, perhaps with a folder a kind in it (`other/animals/…`); or any folders and a `pictures.csv` whose
columns `file` and `label`, and perhaps `kind`, say what is what. `evaluate` reports by kind.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quire.command import BadInput
from quire.decode import UndecodableImage
from quire.evaluation.metrics import proportion
from quire.model.predictor import UNSURE, Answer, Predictor

LIST = "pictures.csv"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class Challenge:
    """An image, its label, and the kind that it is reported under."""

    file: Path
    label: str
    kind: str


def challenge_set(folder: Path, labels: list[str]) -> list[Challenge]:
    """The images in `folder`, sorted; none where it is empty. Raises BadInput for a label that the model has not."""
    listed = folder / LIST
    rows = _listed(listed) if listed.exists() else _by_folder(folder)
    for row in rows:
        if row.label not in labels:
            hint = "" if listed.exists() else f"; name the folder after a label, or say each image's in {listed} (file,label,kind)"
            raise BadInput(f"{row.file}: {row.label!r} is none of the labels {', '.join(labels)}{hint}")
    return sorted(rows, key=lambda row: row.file)


def _listed(path: Path) -> list[Challenge]:
    rows = []
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = {"file", "label"} - set(reader.fieldnames or [])
        if missing:
            raise BadInput(f"{path}: has no column {', '.join(sorted(missing))}")
        for row in reader:
            file = path.parent / row["file"]
            if not file.is_file():
                raise BadInput(f"{path}: line {reader.line_num}, column file: no such image: {row['file']!r}")
            rows.append(Challenge(file, row["label"], row.get("kind") or row["label"]))
    return rows


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


def report(images: Sequence[Challenge], answers: Sequence[Answer]) -> dict[str, Any]:
    """By kind and over all: right (whether or not it was sure), decided wrong, unsure and why; shares with intervals."""
    kinds = sorted({image.kind for image in images})
    pairs = list(zip([(image.label, image.kind) for image in images], answers, strict=True))
    of_kind = {kind: outcome([(label, answer) for (label, name), answer in pairs if name == kind]) for kind in kinds}
    return {"all": outcome([(label, answer) for (label, _), answer in pairs]), "kinds": of_kind}


def outcome(pairs: Sequence[tuple[str, Answer]]) -> dict[str, Any]:
    """What became of images with labels."""
    count = len(pairs)
    reasons = Counter(answer.reason for _, answer in pairs if answer.reason)
    return {
        "images": count,
        "right": proportion(sum(answer.prediction == label for label, answer in pairs), count),
        "decided_wrong": proportion(sum(answer.decision not in (UNSURE, label) for label, answer in pairs), count),
        "unsure": proportion(reasons.total(), count),
        "reasons": {"low_confidence": reasons["low_confidence"], "unfamiliar": reasons["unfamiliar"]},
    }
