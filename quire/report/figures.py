"""The reports that a person looks at, as PNG without a clock in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from quire.decode import decode
from quire.evaluation.metrics import BINS, Predictions, reliability

SHEET, NEAREST = 24, 3  # mistakes on a contact sheet, and training images beside each


@dataclass(frozen=True)
class Mistake:
    """An image whose prediction differs from its label."""

    key: str
    file: Path
    label: str
    prediction: str
    confidence: float
    where: str  # the test set or cross-validation
    places: Image.Image | None  # where the served model sees what was said
    nearest: Sequence[tuple[str, Path]]  # the training images most like it, each with a caption


def draw_confusion(matrices: dict[str, NDArray[np.int64]], labels: list[str], path: Path) -> None:
    """Confusion matrices, (C, C) int64 each, side by side; a cell says the count, its colour the share of its row."""
    figure = Figure(figsize=(1 + 4.2 * len(matrices), 4.4), layout="constrained")
    for axes, (title, counts) in zip(np.atleast_1d(figure.subplots(1, len(matrices))), matrices.items(), strict=True):
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set(title=title, xlabel="predicted", ylabel="label")
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.5 else "black")
    _save(figure, path)


def draw_reliability(predictions: Predictions, title: str, path: Path) -> None:
    """Accuracy against confidence, a point a bin, with the number of images in it."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    confidence, accuracy, share = (np.array(column) for column in zip(*reliability(predictions), strict=True))
    axes.plot([0, 1], [0, 1], "--", color="grey", label="perfectly calibrated")
    axes.plot(confidence, accuracy, "o-", label=f"{BINS} bins of equal width")
    for x, y, n in zip(confidence, accuracy, share * len(predictions.targets), strict=True):
        axes.annotate(f"{n:.0f}", (x, y), textcoords="offset points", xytext=(-6, 8), ha="right")
    axes.set(title=title, xlabel="mean confidence", ylabel="share that is right", xlim=(0, 1.03), ylim=(0, 1.08))
    axes.legend(loc="upper left")
    _save(figure, path)


def draw_risk(curve: Sequence[dict[str, float]], decision: dict[str, Any], path: Path) -> None:
    """Share of wrong answers against the share of images answered, its upper bound, and where the model's threshold lies."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    coverage = [row["coverage"] for row in curve]
    axes.plot(coverage, [row["risk"] for row in curve], label="wrong, of those answered")
    bound = f"upper bound of each, {decision['confidence']:.0%} sure"
    axes.plot(coverage, [row["upper_bound"] for row in curve], color="grey", label=bound)
    axes.axhline(decision["max_risk"], ls="--", color="C3", label=f"risk asked for: {decision['max_risk']:g}")
    axes.axvline(decision["coverage"], ls=":", color="C2", label=f"answered from {decision['min_confidence']:.2f} on")
    axes.set(
        title="Risk and coverage, cross-validated", xlabel="share answered", ylabel="share wrong", xlim=(0, 1.02), ylim=(0, 0.25)
    )
    axes.legend(loc="upper center")
    _save(figure, path)


def draw_curves(curves: list[dict[str, str]], path: Path) -> None:
    """Training and validation loss, validation accuracy, by epoch."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, accuracy = figure.subplots(1, 2)
    for name in ("train_loss", "validation_loss"):
        losses.plot([float(row[name]) for row in curves], ".-", label=name.replace("_", " "))
    accuracy.plot([float(row["validation_accuracy"]) for row in curves], ".-", color="green")
    losses.set(title="loss", xlabel="epoch", yscale="log")
    losses.legend()
    accuracy.set(title="validation accuracy", xlabel="epoch", ylim=(0, 1.05))
    _save(figure, path)


def draw_mistakes(mistakes: Sequence[Mistake], title: str, path: Path) -> None:
    """A contact sheet, the most confident mistakes first; at most as many as a person looks at.

    A row each: the image, the places that speak for what was said, and the training images most like it.
    """
    shown = sorted(mistakes, key=lambda mistake: (-mistake.confidence, mistake.key))[:SHEET]
    height = 1.2 + 2.7 * len(shown)
    figure = Figure(figsize=(14, height))  # a constrained layout of a full sheet takes seconds
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.1 / height, top=1 - 0.9 / height, hspace=0.35, wspace=0.12)
    cut = f", the {SHEET} most confident" if len(mistakes) > SHEET else ""
    likeness = ", and the training images most like them" if shown else ""
    figure.suptitle(f"{title}: {len(mistakes)}{cut}{likeness}", y=1 - 0.1 / height)
    _fill(figure.subplots(max(len(shown), 1), 2 + NEAREST, squeeze=False), [_row(mistake) for mistake in shown])
    _save(figure, path)


def draw_explanation(
    title: str, image: Image.Image, places: Image.Image, nearest: Sequence[tuple[str, Image.Image]], path: Path
) -> None:
    """An image, the places that speak for its answer, and the training images most like it."""
    figure = Figure(figsize=(14, 7), layout="constrained")
    figure.suptitle(title)
    shown = [("the image", image), ("in light: what alone would be called so", places)]
    _fill(figure.subplots(2, max(len(nearest), 2), squeeze=False), [shown, nearest])
    _save(figure, path)


def _fill(grid: NDArray[Any], rows: Sequence[Sequence[tuple[str, Image.Image]]]) -> None:
    """Put captioned images into rows of axes, and leave the rest blank."""
    for axes in grid.ravel():
        axes.axis("off")
    for row, pairs in zip(grid, rows, strict=False):
        for axes, (caption, image) in zip(row, pairs, strict=False):
            axes.imshow(image)
            axes.set_title("\n".join(map(_short, caption.split("\n"))), fontsize=8)


def _short(line: str) -> str:
    return line if len(line) < 40 else f"{line[:17]}…{line[-20:]}"


def _row(mistake: Mistake) -> list[tuple[str, Image.Image]]:
    assert mistake.places, "train writes places.onnx"
    said = f"{mistake.key}\nlabel {mistake.label}, said {mistake.prediction} {mistake.confidence:.2f}\n({mistake.where})"
    nearest = [(caption, decode(file.read_bytes())) for caption, file in mistake.nearest[:NEAREST]]
    return [
        (said, decode(mistake.file.read_bytes())),
        (f"in light: what alone would be {mistake.prediction}", mistake.places),
        *nearest,
    ]


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(path, dpi=110, metadata=metadata)
