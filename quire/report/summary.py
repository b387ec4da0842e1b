"""Say in a few lines what `dvc repro` made."""

import json
from pathlib import Path
from typing import Any

from quire.evaluation.gate import verdict
from quire.provenance.lock import LOCK, Difference, committed_file, differences, read_lock

MOST_CLASSES = 10  # that are named


def summary(data: Path, reports: Path) -> str:
    """The summary that ends `make repro`. Raises OSError where a report is missing."""
    details, gate, labels = (_read(reports / name) for name in ("details.json", "gate.json", "labels.json"))
    images, test, crossed = details["images"], details["test"]["accuracy"], details["cross_validation"]["accuracy"]
    sets = ", ".join(f"{count} {name}" for name, count in images["sets"].items())
    figures = ", ".join(sorted(path.name for path in (reports / "plots").glob("*.png")))
    unlabelled = f"{labels['counts']['unlabelled']} unlabelled ({reports / 'labels.json'})"
    return f"""
items     {_found(images)} ({data / "items.csv"})
labels    {images["labelled"]}: {_classes(labels["classes"])}; {unlabelled}
sets      {sets} ({data / "split.csv"})
accuracy  test {_share(test)}, cross-validated {_share(crossed)}
gate      {verdict(gate)} ({reports / "gate.json"})
report    {reports / "model_card.md"}
figures   {reports / "plots"}: {figures}
look at   {reports / "plots" / "mistakes.png"}, {reports / "label_issues.html"}"""


def _found(images: dict[str, int]) -> str:
    return f"{images['found']} found: {images['kept']} kept, {images['repeat']} repeats, {images['rejected']} rejected"


def _classes(counts: dict[str, int]) -> str:
    """The commonest classes with their number of images."""
    named = [f"{count} {label}" for label, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    more = f" and {len(named) - MOST_CLASSES} more classes" if len(named) > MOST_CLASSES else ""
    return ", ".join(named[:MOST_CLASSES]) + more


def comparison(root: Path) -> str:
    """How the results here stand to those of the commit that is checked out."""
    text = committed_file(root, "HEAD", LOCK)
    if text is None:
        return f"the first here; commit {LOCK} to keep them"
    found = differences(read_lock(text), read_lock((root / LOCK).read_text(encoding="utf-8")))
    if not found:
        return "identical to the committed results"
    changed = [f"{difference.stage} {difference.name}" for difference in found if difference.kind != "output"]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        return f"new, for the inputs are: {', '.join(changed[:3])}{more}; commit {LOCK} to keep them"
    return _surprise(root, found[0])


def _surprise(root: Path, first: Difference) -> str:
    from quire.provenance.comparison import OUT_OF_REACH, place_of  # noqa: PLC0415 - takes a second to import, and is rarely needed

    place = place_of(root, "HEAD", root, first.name)
    where = place.where if place else OUT_OF_REACH
    return f"DIFFERENT from the committed ones: stage {first.stage}, {first.name}, {where}"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _share(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} (95 % interval {figure['low']:.3f} to {figure['high']:.3f})"
