"""The model card: what the model is, what it was made from, how well it does and where it must not be trusted."""

from collections.abc import Mapping
from typing import Any

from quire.evaluation.details import Details
from quire.evaluation.gate import Gate
from quire.report.render import render

ROWS = 20  # of a table of classes or kinds, at most: the worst are shown


def model_card(details: Details, gate: Gate, lineage: Mapping[str, str]) -> str:
    """Markdown (Mitchell et al. 2019) from the facts of an evaluation; no figure in it is typed by hand."""
    crossed, challenge = details["cross_validation"]["classes"], details["challenge"]
    kinds = challenge["kinds"] if challenge else {}
    return render(
        "model_card.md",
        details=details,
        gate=gate,
        lineage=lineage,
        classes=sorted(crossed, key=lambda label: (crossed[label]["f1"]["value"], label))[:ROWS],
        kinds=sorted(kinds, key=lambda kind: (kinds[kind]["right"]["value"], kind))[:ROWS],
        interval=interval,
    )


def interval(figure: Mapping[str, Any]) -> str:
    """A figure with its interval."""
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"
