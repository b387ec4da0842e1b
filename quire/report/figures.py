"""The reports that a person looks at, as PNG without a clock in it."""

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from quire.evaluation.curves import Bin, RiskCoverage

MOST_CLASSES, MOST_COUNTS = 30, 12  # in a confusion matrix: classes, and classes up to which the counts are written
Captioned = tuple[str, Image.Image | str]  # a caption above an image or a text
LINE, LINES = 44, 14  # characters and lines of a text


def draw_confusion(matrices: Mapping[str, NDArray[np.int64]], labels: Sequence[str], path: Path) -> None:
    """Confusion matrices, (C, C) int64 each, side by side; a cell's colour is the share of its row.

    Of many classes those with the most errors are shown.
    """
    shown = most_confused(sum(matrices.values(), np.zeros((len(labels), len(labels)), np.int64)))
    side = 3 + 0.3 * max(len(shown), 4)  # inches
    figure = Figure(figsize=(side * len(matrices), side + 0.04 * len(shown)), layout="constrained")
    if len(shown) < len(labels):
        figure.suptitle(f"the {len(shown)} of {len(labels)} classes with the most errors")
    for axes, (title, counts) in zip(np.atleast_1d(figure.subplots(1, len(matrices))), matrices.items(), strict=True):
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        _matrix(axes, counts[np.ix_(shown, shown)], shares[np.ix_(shown, shown)])
        axes.set(title=title, xlabel="prediction", ylabel="label")
        names = [plain(labels[number], 24) for number in shown]
        axes.set_xticks(range(len(shown)), names, rotation=90 if max(map(len, names)) * len(names) > 24 else 0)
        axes.set_yticks(range(len(shown)), names)
    save(figure, path)


def most_confused(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The classes with the most errors of a confusion matrix, (C, C) int64, as label or as prediction; in their order."""
    errors = counts.sum(0) + counts.sum(1) - 2 * np.diag(counts)  # (C,)
    return np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])


def _matrix(axes: Axes, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if len(counts) <= MOST_COUNTS or (count and row != column):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(
                column, row, str(count), ha="center", va="center", color=colour, fontsize=9 if len(counts) <= MOST_COUNTS else 7
            )


def draw_reliability(bins: Sequence[Bin], title: str, path: Path) -> None:
    """Accuracy against mean confidence, a point a bin with its interval."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    confidence, accuracy = np.array([each["confidence"] for each in bins]), np.array([each["accuracy"]["value"] for each in bins])
    ends = np.array([(each["accuracy"]["low"], each["accuracy"]["high"]) for each in bins])  # (B, 2)
    axes.plot([0, 1], [0, 1], "--", color="grey", label="perfectly calibrated")
    beyond = np.abs(ends.T - accuracy)  # (2, B)
    label = f"{len(bins)} bins of {min(each['images'] for each in bins)} images or more, 95 % intervals"
    axes.errorbar(confidence, accuracy, beyond, fmt="o", capsize=3, label=label)
    left, bottom = _below(confidence.min()), _below(ends.min())
    axes.set(
        title=title, xlabel="mean confidence", ylabel="share that is right", xlim=(left, 1 + (1 - left) / 20), ylim=(bottom, 1.02)
    )
    figure.legend(loc="outside lower center")
    save(figure, path)


def _below(least: float) -> float:
    """Where an axis up to 1 begins, so that its least value stands a little inside."""
    return max(0.0, 1 - 1.1 * max(1 - least, 0.01))


def draw_risk_coverage(curve: Sequence[RiskCoverage], thresholds: Mapping[str, Any], path: Path) -> None:
    """Share of wrong answers against the share of images answered, its upper bound, and where the model's threshold lies."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    coverage = [row["coverage"] for row in curve]
    axes.plot(coverage, [row["risk"] for row in curve], label="wrong, of those answered")
    bound = f"upper bound of each, {thresholds['confidence']:.0%} sure"
    axes.plot(coverage, [row["upper_bound"] for row in curve], color="grey", label=bound)
    axes.axhline(thresholds["max_risk"], ls="--", color="C3", label=f"risk asked for: {thresholds['max_risk']:g}")
    axes.axvline(thresholds["coverage"], ls=":", color="C2", label=f"answered from {thresholds['min_confidence']:.2f} on")
    top = min(1.0, max(0.25, 1.3 * max(row["risk"] for row in curve)))
    axes.set(title="Selective classification, cross-validated", xlabel="share answered", ylabel="share wrong")
    axes.set(xlim=(0, 1.02), ylim=(0, top))
    axes.legend(loc="upper center")
    save(figure, path)


def draw_curves(curves: Sequence[Mapping[str, str]], path: Path) -> None:
    """Training and validation loss, validation accuracy, by epoch; curves as the rows of reports/curves.csv."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, accuracy = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) for row in curves] or [0]
    for name in ("train_loss", "validation_loss") if curves else ():
        losses.plot(epochs, [float(row[name]) for row in curves], ".-", label=name.replace("_", " "))
    if curves:
        accuracy.plot(epochs, [float(row["validation_accuracy"]) for row in curves], ".-", color="green")
        losses.legend()
    losses.set(title="loss" if curves else "none: the head is solved at once", xlabel="epoch", yscale="log")
    accuracy.set(title="validation accuracy", xlabel="epoch", ylim=(0, 1.05))
    for axes in (losses, accuracy):
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    save(figure, path)


def draw_explanation(title: str, image: Image.Image, activation: Image.Image, nearest: Sequence[Captioned], path: Path) -> None:
    """An image, its class activation map, and the training images most like it, each with a caption."""
    figure = Figure(figsize=(14, 7), layout="constrained")
    figure.suptitle(plain(title, 120))
    shown = [("the image", image), ("class activation map: light where it speaks for the answer", activation)]
    fill(figure.subplots(2, max(len(nearest), 2), squeeze=False), [shown, nearest])
    save(figure, path)


def fill(grid: NDArray[Any], rows: Sequence[Sequence[Captioned]]) -> None:
    """Put captioned images into rows of axes, and leave the rest blank."""
    for axes in grid.ravel():
        axes.axis("off")
    for row, pairs in zip(grid, rows, strict=False):
        for axes, (caption, image) in zip(row, pairs, strict=False):
            if isinstance(image, str):
                axes.text(0, 1, wrapped(image), fontsize=7, va="top")
            else:
                axes.imshow(image)
            axes.set_title("\n".join(plain(line, 40) for line in caption.split("\n")), fontsize=8)


def wrapped(text: str) -> str:
    """A text in lines, cut where they are too many."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(plain(line, 4 * LINE * LINES), LINE) or [""]]
    return "\n".join(lines if len(lines) <= LINES else [*lines[: LINES - 1], "…"])


def plain(text: str, most: int) -> str:
    """Text of at most so many characters, its middle cut out; Matplotlib reads no formula between two dollar signs."""
    half = (most - 1) // 2
    return (text if len(text) <= most else f"{text[:half]}…{text[-half:]}").replace("$", r"\$")


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Any] = {"Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # of scripts that the font lacks: a box takes its place
        figure.savefig(path, dpi=110, metadata=metadata)
