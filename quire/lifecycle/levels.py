"""Which figures of a history miss a level that is required, or fell by more than their interval; and how others are told."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from quire.command import BadInput
from quire.lifecycle.history import DataVersion

SMALLER_IS_BETTER = ("calibration_error", "brier_score")


@dataclass(frozen=True)
class Alert:
    """What is wrong with a figure of the newest data version."""

    figure: str
    kind: Literal["level", "fall"]
    said: str


def alerts(found: Sequence[DataVersion], at_least: Mapping[str, float], at_most: Mapping[str, float]) -> list[Alert]:
    """What is wrong with the newest version. Raises BadInput for a level of a figure that no version has."""
    newest, known = found[-1], {name for version in found for name in version.figures}
    missed = []
    for bound, levels in (("at_least", at_least), ("at_most", at_most)):
        for name, level in levels.items():
            if name not in known:
                raise BadInput(
                    f"params.yaml: history.{bound}: {name} is no figure of the history; there are {', '.join(sorted(known))}"
                )
            value = newest.figures[name]["value"] if name in newest.figures else None
            if value is not None and (value < level if bound == "at_least" else value > level):
                missed.append(Alert(name, "level", f"{name} is {value:.4f}, required is {bound.replace('_', ' ')} {level:g}"))
    return missed + [alert for name in newest.figures if (alert := _fall(name, found))]


def _fall(name: str, found: Sequence[DataVersion]) -> Alert | None:
    """A figure that lies beyond the interval of the last version that had it, on the worse side."""
    before = next((version for version in found[-2::-1] if name in version.figures), None)
    if before is None:
        return None
    value, earlier = found[-1].figures[name]["value"], before.figures[name]
    worse = value > earlier["high"] if name.endswith(SMALLER_IS_BETTER) else value < earlier["low"]
    if not worse:
        return None
    interval = f"{earlier['value']:.4f} ({earlier['low']:.4f} to {earlier['high']:.4f})"
    return Alert(name, "fall", f"{name} is {value:.4f}, and was {interval} at {before.commit[:7]}")


def annotate(found: Sequence[Alert]) -> None:
    """Say each alert on a line; in a workflow, as its annotation (docs.github.com, workflow commands)."""
    prefix = "::error title=quire history::" if os.environ.get("GITHUB_ACTIONS") == "true" else "history: ALERT: "
    for alert in found:
        print(prefix + alert.said)


def write_metrics(found: Sequence[DataVersion], raised: Sequence[Alert], path: Path) -> None:
    """The newest version and its alerts in Prometheus' text format, for node_exporter's textfile collector."""
    registry, newest = CollectorRegistry(), found[-1]
    figure = Gauge("quire_history_figure", "A figure of the newest data version", ["figure", "end"], registry=registry)
    for name, ends in sorted(newest.figures.items()):
        for end, value in ends.items():
            figure.labels(name, end).set(float(str(value)))
    alert = Gauge("quire_history_alert", "1 for a figure that misses its level or fell", ["figure", "kind"], registry=registry)
    for each in raised:
        alert.labels(each.figure, each.kind).set(1)
    for what in ("items", "labels"):
        Gauge(f"quire_history_{what}", f"{what.title()} of the newest data version", registry=registry).set(getattr(newest, what))
    write_to_textfile(str(path), registry)
