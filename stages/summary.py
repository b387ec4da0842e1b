"""Say in a few lines what `dvc repro` made: python -m stages.summary."""

import json
from pathlib import Path
from typing import Any


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
pictures  {reports / "plots"}: {", ".join(sorted(path.name for path in (reports / "plots").glob("*.png")))}"""


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _share(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} (95 % interval {figure['low']:.3f} to {figure['high']:.3f})"


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    print(summary(Path("data"), Path("reports")))


if __name__ == "__main__":
    main()
