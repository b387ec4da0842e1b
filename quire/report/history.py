"""The history as a figure and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from quire.report.figures import plain
from quire.report.render import render

MOST_LINES = 12  # in a panel; of more classes, those whose figure is worst at the end

Point = tuple[float, float, float]  # value, low, high
Lines = Mapping[str, Sequence[Point | None]]  # a name, and its figure at each data version


def shown(lines: Lines) -> tuple[list[str], list[str]]:
    """The names of the figures of all, and of F1 of the classes where it is lowest at the end."""
    classes = [name for name in lines if name.endswith(".f1")]
    worst = sorted(classes, key=lambda name: (lines[name][-1] or (2.0,))[0])[:MOST_LINES]
    return [name for name in lines if name not in set(classes)], sorted(worst)


def short(name: str) -> str:
    """A figure's name without what all in a figure share."""
    return name.removeprefix("cross_validation.").removeprefix("classes.").removesuffix(".f1")


def draw_history(commits: Sequence[str], lines: Lines, path: Path) -> None:
    """Two panels over the data versions, figures of all with their intervals, and F1 of the worst classes."""
    whole, worst = shown(lines)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = {"all": whole, f"F1, the {len(worst)} worst classes": worst}
    for axes, (title, names) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        for number, name in enumerate(names):
            there = [(place + 0.03 * number, point) for place, point in enumerate(lines[name]) if point]
            values = [value for _, (value, _, _) in there]
            errors = [[value - low for _, (value, low, _) in there], [high - value for _, (value, _, high) in there]]
            axes.errorbar([place for place, _ in there], values, yerr=errors, marker="o", capsize=3, label=plain(short(name), 24))
        axes.set(title=title, ylim=(-0.02, 1.02))
        axes.set_xticks(range(len(commits)), [commit[:7] for commit in commits], rotation=45 if len(commits) > 8 else 0)
        if names:
            axes.legend(fontsize=8, loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def write_page(facts: Sequence[Mapping[str, object]], lines: Lines, said: Sequence[str], image: str, path: Path) -> None:
    """What is wrong, the figure, and a table of what is drawn, the newest version first, as HTML; `facts` are each version's."""
    whole, worst = shown(lines)
    names = whole + worst
    rows = [[*each.values(), *(_cell(lines[name][number]) for name in names)] for number, each in enumerate(facts)]
    header = [*facts[0], *map(short, names)]
    path.write_text(render("history.html", header=header, rows=rows[::-1], alerts=said, image=image), encoding="utf-8")


def _cell(point: Point | None) -> str:
    return f"{point[0]:.3f} ({point[1]:.3f} to {point[2]:.3f})" if point else ""
