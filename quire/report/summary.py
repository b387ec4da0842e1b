"""Say in a few lines what `dvc repro` made."""

import json
from pathlib import Path
from typing import Any

from quire.provenance.lock import LOCK, MACHINE, Difference, committed_file, differences, machine_differences, read_lock


def summary(data: Path, reports: Path) -> str:
    """The summary that ends `make repro`."""
    details, gate, labels = (_read(reports / name) for name in ("details.json", "gate.json", "labels.json"))
    images, test, crossed = details["images"], details["test"]["accuracy"], details["cross_validation"]["accuracy"]
    found = f"{images['found']} found: {images['kept']} kept, {images['repeat']} repeats, {images['rejected']} rejected"
    sets = ", ".join(f"{count} {name}" for name, count in images["sets"].items())
    classes = ", ".join(f"{count} {label}" for label, count in labels["classes"].items())
    return f"""
images    {found} ({data / "items.csv"})
labels    {images["labelled"]}: {classes}; {labels["counts"]["unlabelled"]} unlabelled ({reports / "labels.json"})
sets      {sets} ({data / "split.csv"})
accuracy  test {_share(test)}, cross-validated {_share(crossed)}
gate      {"passed" if gate["passed"] else "not passed"} ({reports / "gate.json"})
report    {reports / "model_card.md"}
images  {reports / "plots"}: {", ".join(sorted(path.name for path in (reports / "plots").glob("*.png")))}"""


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
    from quire.provenance.comparison import place_of  # noqa: PLC0415 - takes a second to import, and is rarely needed

    place = place_of(root, "HEAD", root, first.name)
    machine = machine_differences(committed_file(root, "HEAD", MACHINE), (root / MACHINE).read_text(encoding="utf-8"))
    where = f", {place.where}" if place else ""
    return f"DIFFERENT from the committed ones: stage {first.stage}, {first.name}{where}; {'; '.join(machine) or 'same machine'}"


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _share(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} (95 % interval {figure['low']:.3f} to {figure['high']:.3f})"
