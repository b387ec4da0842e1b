"""The labels that the model disagrees with most, as a page with the images in it."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from quire.decode import decode
from quire.evaluation.metrics import Predictions
from quire.items.tables import Item

SHOWN = 24  # images on the page
SIDE = 240  # pixels, of a thumbnail's longer side
COMMAND = "python -m labelling push --tool ecotag|label-studio --only disagreement"

STYLE = """body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.5rem; padding: 0; list-style: none }
img { display: block; max-width: 100%; height: 240px; object-fit: contain; object-position: left }
.key { overflow-wrap: anywhere; color: #666; font-size: 13px }
.differs { color: #b00020 }"""


@dataclass(frozen=True)
class Doubt:
    """A labelled image and what the model, fitted without its document, says of it."""

    item: Item
    set_name: str
    label: str
    prediction: str
    given: float  # the probability of the label
    predicted: float  # that of the prediction


def rank(
    predictions: Predictions, keys: Sequence[str], labels: Sequence[str], kept: dict[str, Item], set_of: dict[str, str]
) -> list[Doubt]:
    """All labelled images, the least probable label first: the self-confidence of Northcutt, Jiang and Chuang (2021).

    `predictions` are out of fold, their probabilities (N, C) float64, and `keys` name their rows.
    """
    given = predictions.probabilities[np.arange(len(keys)), predictions.targets]  # (N,) float64
    return [
        Doubt(
            item=kept[keys[row]],
            set_name=set_of[keys[row]],
            label=labels[predictions.targets[row]],
            prediction=labels[predictions.predicted[row]],
            given=float(given[row]),
            predicted=float(predictions.confidence[row]),
        )
        for row in sorted(range(len(keys)), key=lambda row: (given[row], keys[row]))
    ]


def label_noise(doubts: Sequence[Doubt], images: Path, path: Path) -> None:
    """Write the page; it stands alone, with its images inside."""
    differing = [doubt for doubt in doubts if doubt.label != doubt.prediction]
    asked = sum(doubt.set_name != "test" for doubt in differing)
    rows = "\n".join(_row(number, doubt, images) for number, doubt in enumerate(doubts[:SHOWN], 1))
    path.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Labels in doubt</title><style>
{STYLE}
</style></head><body>
<h1>Labels in doubt</h1>
<p>Of {len(doubts)} labels, the {len(doubts[:SHOWN])} that a model fitted without the image's document finds least probable.
It says something else than the label for <strong>{len(differing)}</strong>.</p>
<p><code>{escape(COMMAND)}</code> asks people again about {asked} of these; the test set's are left as they are, for it must not
be corrected only where this model is wrong.</p>
<ol>
{rows}
</ol></body></html>
""",
        encoding="utf-8",
    )


def _row(number: int, doubt: Doubt, images: Path) -> str:
    item = doubt.item
    differs = ' class="differs"' if doubt.label != doubt.prediction else ""
    said = f"model: <strong{differs}>{escape(doubt.prediction)}</strong> {doubt.predicted:.3f}"
    place = f"{escape(item.source)}, page {(item.page or 0) + 1}, {doubt.set_name} set"
    return (
        f'<li><img src="{_thumbnail(images / str(item.image))}" alt="image {number}">'
        f"{number}. label: <strong>{escape(doubt.label)}</strong> {doubt.given:.3f}, {said}"
        f'<div class="key">{escape(str(item.key))}<br>{place}</div></li>'
    )


def _thumbnail(path: Path) -> str:
    """The image as a data URI: a JPEG without a clock in it."""
    image = decode(path.read_bytes())
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
