"""Has what comes in changed? New images against an earlier data version, or the service's answers against the training data."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from quire.command import BadInput
from quire.items.tables import write_csv
from quire.lifecycle.permutation_test import Sample, Shift, shifts
from quire.lifecycle.samples import against_training, since


def drift(root: Path, revision: str | None, logs: Sequence[Path], days: float | None) -> bool:
    """Whether something drifted, since a commit or in the logs; printed, and written to reports/drift.csv and .png.

    Raises BadInput where that cannot be said.
    """
    if bool(revision) == bool(logs):
        raise BadInput("name either a commit with --since, or the service's logs")
    before, after = since(root, revision) if revision else against_training(root, logs, days)
    found = shifts(before, after)
    write_csv(root / "reports/drift.csv", [field.name for field in fields(Shift)], map(astuple, found))
    draw(before, after, found, root / "reports/drift.png")
    print(table(before, after, found))
    return any(shift.drifted for shift in found)


def draw(before: Sample, after: Sample, found: list[Shift], path: Path) -> None:
    """A panel for each measure: shares of the classes, and of the rest how the values are distributed."""
    figure = Figure(figsize=(4 * len(found), 4), layout="constrained")
    for axes, shift in zip(np.atleast_1d(figure.subplots(1, len(found))), found, strict=True):
        axes.set_title(f"{shift.measure}{': DRIFT' if shift.drifted else ''}, p = {shift.p_value:.4f}", fontsize=10)
        _panel(axes, before, after, shift.measure)
        axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panel(axes: Axes, before: Sample, after: Sample, measure: str) -> None:
    sides = [(sample.name, sample.measures[measure]) for sample in (before, after)]  # (N, D) each
    if measure == "class mix":
        for number, (name, values) in enumerate(sides):
            axes.bar(np.arange(values.shape[1]) + 0.4 * number, values.mean(0), 0.4, label=name)
        axes.set_xticks(np.arange(len(before.labels)) + 0.2, before.labels)
    elif measure in ("image size", "embedding"):
        plane = np.linalg.svd(np.concatenate([values for _, values in sides]), full_matrices=False)[2][:2]  # (2, D)
        for name, values in sides:
            shown = np.exp(values) if measure == "image size" else values @ plane.T  # (N, 2)
            axes.plot(shown[:, 0], shown[:, 1], ".", alpha=0.5, label=name)
    else:
        for name, values in sides:
            axes.ecdf(values[:, 0], label=name)


def table(before: Sample, after: Sample, found: list[Shift]) -> str:
    """The shifts as a Markdown table."""
    sides = [f"{side.name} ({len(side.groups)} images, {len(set(side.groups))} documents)" for side in (before, after)]
    rows = [["measure", *sides, "distance", "p", ""], ["---"] * 6]
    for shift in found:
        verdict = "DRIFT" if shift.drifted else ""
        rows.append([shift.measure, shift.before, shift.after, f"{shift.distance:.4f}", f"{shift.p_value:.4f}", verdict])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
