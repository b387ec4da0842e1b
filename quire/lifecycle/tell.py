"""The history on the terminal, as a table, a figure and a page, and its alerts."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quire.command import PARAMETERS, BadInput, read_parameters
from quire.items.tables import write_csv
from quire.lifecycle.history import DataVersion, as_rows, history
from quire.lifecycle.levels import Alert, alerts, annotate, write_metrics
from quire.report.history import Point, draw_history, short, write_page

Level = Annotated[float, Field(allow_inf_nan=False)]


class Levels(BaseModel):
    """The block `history` of params.yaml: what the newest data version must reach."""

    model_config = ConfigDict(extra="forbid", strict=True)

    at_least: dict[str, Level]
    at_most: dict[str, Level]


def tell(root: Path, reports: Path) -> list[Alert]:
    """Print the history, and write history.csv, .png, .html and .prom; the alerts. Raises BadInput without a history."""
    try:
        levels = Levels(**read_parameters("history"))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise BadInput(f"{PARAMETERS}: history.{place}: {problem['msg']}, not {problem['input']!r}") from error
    found = history(root)
    raised = alerts(found, levels.at_least, levels.at_most)
    header, rows = as_rows(found)
    write_csv(reports / "history.csv", header, rows)
    names = [name for version in found for name in version.figures]
    lines = {name: [_point(version, name) for version in found] for name in dict.fromkeys(names)}
    draw_history([version.commit for version in found], lines, reports / "history.png")
    write_page(
        [version.facts for version in found], lines, [alert.said for alert in raised], "history.png", reports / "history.html"
    )
    write_metrics(found, raised, reports / "history.prom")
    print("\n".join(_line(version) for version in found))
    annotate(raised)
    return raised


def _point(version: DataVersion, name: str) -> Point | None:
    figure = version.figures.get(name)
    return (figure["value"], figure["low"], figure["high"]) if figure else None


def _line(version: DataVersion) -> str:
    told = [
        f"{short(name)} {figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
        for name, figure in version.figures.items()
        if not name.endswith(".f1")
    ]
    counts = f"{version.items} items, {version.labels} labels"
    return f"{version.commit[:7]} {version.date}  {counts}: {version.changed}; {', '.join(told)}"
