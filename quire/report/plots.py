"""The figures of reports/plots, and the tables that `dvc plots` draws."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quire.evaluation.curves import Bin, reliability, risk_coverage
from quire.evaluation.facts import CROSSED
from quire.evaluation.metrics import confusion
from quire.evaluation.predictions import Predictions
from quire.items.tables import write_csv
from quire.report.figures import draw_confusion, draw_curves, draw_reliability, draw_risk_coverage


def draw_plots(
    predicted: Mapping[str, Predictions], labels: list[str], thresholds: Mapping[str, Any], curves: Path, plots: Path
) -> None:
    """Write all but the sheet of mistakes into the folder `plots`; `predicted` are the test set and the cross-validation."""
    for name, part in predicted.items():
        pairs = ([labels[target], labels[guess]] for target, guess in zip(part.targets, part.predicted, strict=True))
        write_csv(plots / f"confusion_{name.replace(' ', '_').replace('-', '_')}.csv", ["label", "prediction"], pairs)
    draw_confusion({name: confusion(part, len(labels)) for name, part in predicted.items()}, labels, plots / "confusion.png")
    bins = reliability(predicted[CROSSED])
    write_csv(plots / "reliability.csv", ["confidence", "accuracy", "low", "high", "images"], map(_cells, bins))
    draw_reliability(bins, "Reliability, cross-validated", plots / "reliability.png")
    curve = risk_coverage(predicted[CROSSED], thresholds["confidence"])
    write_csv(plots / "risk_coverage.csv", list(curve[0]), ([f"{value:.6f}" for value in row.values()] for row in curve))
    draw_risk_coverage(curve, thresholds, plots / "risk_coverage.png")
    with curves.open(newline="", encoding="utf-8") as stream:
        draw_curves(list(csv.DictReader(stream)), plots / "curves.png")


def _cells(each: Bin) -> list[float]:
    accuracy = each["accuracy"]
    return [each["confidence"], accuracy["value"], accuracy["low"], accuracy["high"], each["images"]]
