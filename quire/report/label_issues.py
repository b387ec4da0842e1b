"""The labels that the model disagrees with most, as a page with the images and texts in it."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quire.decode import decode
from quire.evaluation.predictions import Predictions
from quire.items.tables import Item
from quire.report.render import render

SHOWN = 24  # images on the page
LONGEST = 600  # characters of a text
SIDE = 240  # pixels, of a thumbnail's longer side
COMMAND = "quire labels push --tool ecotag|label-studio --only disagreement"


@dataclass(frozen=True)
class LabelIssue:
    """A labelled image and what the model, fitted without its document, says of it."""

    item: Item
    text: str
    label: str
    prediction: str
    given: float  # the probability of the label
    confidence: float  # that of the prediction


@dataclass(frozen=True)
class LabelIssues:
    """How many labels there are, from how many the model differs, and the worst."""

    labels: int
    differing: int
    shown: list[LabelIssue]


def find_label_issues(
    crossed: Predictions, labels: Sequence[str], kept: Mapping[str, Item], texts: Mapping[str, str]
) -> LabelIssues:
    """The least probable labels first: the self-confidence of Northcutt, Jiang and Chuang (2021), p(given label | image).

    `crossed` are out of fold, so none is of the test set. Equals go by key.
    """
    worst = np.lexsort((crossed.keys, crossed.given))[:SHOWN].tolist()
    shown = [
        LabelIssue(
            item=kept[crossed.keys[row]],
            text=texts.get(crossed.keys[row], "")[:LONGEST],
            label=labels[crossed.targets[row]],
            prediction=labels[crossed.predicted[row]],
            given=float(crossed.given[row]),
            confidence=float(crossed.confidence[row]),
        )
        for row in worst
    ]
    return LabelIssues(len(crossed.keys), int((~crossed.correct).sum()), shown)


def write_label_issues(issues: LabelIssues, images: Path, path: Path) -> None:
    """Write the page; it stands alone, with its images inside."""
    page = render("label_issues.html", issues=issues, command=COMMAND, thumbnail=lambda image: _thumbnail(images / image))
    path.write_text(page, encoding="utf-8")


def _thumbnail(path: Path) -> str:
    """The image as a data URI: a JPEG without a clock in it."""
    image = decode(path.read_bytes())
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
