"""The sheet of mistakes: wrong answers beside what the model saw, and what spoke for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from quire.decode import decode
from quire.evaluation.predictions import Predictions
from quire.model.evidence import evidence
from quire.model.explain import Explainer, Neighbour
from quire.model.predictor import Predictor
from quire.report.figures import Captioned, fill, save

SHEET, NEAREST = 24, 3  # mistakes on the sheet, and training images beside each
SIDE = 320  # pixels, of an image's longer side: a sheet of photographs would fill the memory


@dataclass(frozen=True)
class Mistake:
    """An image whose prediction differs from its label."""

    key: str
    label: str
    prediction: str
    confidence: float


def find_mistakes(crossed: Predictions, labels: Sequence[str]) -> tuple[list[Mistake], int]:
    """The most confident mistakes, as many as a sheet holds, and how many there are; equals go by key.

    `crossed` are out of fold. The test set's are not shown: who looks at them chooses by them.
    """
    wrong = np.flatnonzero(~crossed.correct)
    worst = wrong[np.lexsort((crossed.keys[wrong], -crossed.confidence[wrong]))][:SHEET].tolist()
    return [
        Mistake(
            str(crossed.keys[row]),
            labels[crossed.targets[row]],
            labels[crossed.predicted[row]],
            float(crossed.confidence[row]),
        )
        for row in worst
    ], len(wrong)


def draw_mistakes(
    mistakes: Sequence[Mistake],
    count: int,
    files: Mapping[str, Path],
    texts: Mapping[str, str],
    predictor: Predictor,
    path: Path,
) -> None:
    """A row each: the text and its n-grams for and against; the image, its class activation map, and training images like it.

    `count` is how many mistakes there are; `files` and `texts` hold the image and the text of a key, where it has one.
    """
    explainer = Explainer(predictor, neighbours=True) if "image" in predictor.modalities else None
    height = 1.2 + 2.9 * len(mistakes)
    figure = Figure(figsize=(14, height))  # a constrained layout of a full sheet takes seconds
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.1 / height, top=1 - 1.0 / height, hspace=0.45, wspace=0.12)
    shown = f", the {len(mistakes)} most confident" if count > len(mistakes) else ""
    figure.suptitle(f"Wrong answers: {count}{shown}", y=1 - 0.1 / height)
    grid = figure.subplots(max(len(mistakes), 1), 2 + NEAREST, squeeze=False)
    rows = []
    for mistake in mistakes:
        parts = _text(mistake, texts[mistake.key], predictor) if mistake.key in texts and "text" in predictor.modalities else []
        parts += _image(mistake, files, explainer) if mistake.key in files and explainer else []
        said = f"label {mistake.label}, predicted {mistake.prediction} {mistake.confidence:.2f}"
        rows.append([(f"{mistake.key}\n{said}", parts[0][1]), *parts[1:]])
    fill(grid, rows)
    save(figure, path)


def _text(mistake: Mistake, text: str, predictor: Predictor) -> list[Captioned]:
    for_it, against = evidence(predictor, text, mistake.prediction, mistake.label)
    lines = [f"{each.weight:+.2f}  {each.ngram}" for each in (*for_it, *against)]
    return [("", text), (f"n-grams\nfor {mistake.prediction} over {mistake.label}", "\n".join(lines))]


def _image(mistake: Mistake, files: Mapping[str, Path], explainer: Explainer) -> list[Captioned]:
    square = explainer.predictor.prepare(files[mistake.key].read_bytes())  # (S, S, 3) uint8
    activation = explainer.activation_map(square, mistake.prediction)
    nearest = explainer.nearest(square, mistake.key)[:NEAREST]
    return [
        ("", _thumbnail(files[mistake.key])),
        (f"class activation map\nlight: speaks for {mistake.prediction}", activation),
        *((_caption(each), _thumbnail(files[each.key])) for each in nearest),
    ]


def _caption(neighbour: Neighbour) -> str:
    return f"training image, {neighbour.label}\n{neighbour.place}\ncosine {neighbour.similarity:.2f}"


def _thumbnail(path: Path) -> Image.Image:
    image = decode(path.read_bytes())
    image.thumbnail((SIDE, SIDE))
    return image
