"""A change of the data folder, all or nothing: what is new lies beside, and gets its second name when all of it is there.

A command that was killed before that has changed nothing; one that was killed after is completed by the next.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quire.command import PARAMETERS
from quire.demo.images import KINDS
from quire.items.dvc import track

FOLDERS = ("raw", "annotations", "challenge")
BEGUN, READY, LEAVING = "add.partial", "add-ready.partial", "leaving.json"


@contextmanager
def begun(folder: Path) -> Iterator[Path]:
    """An empty place beside, for files by their paths below `folder`; it is gone afterwards, unless it is ready."""
    place = folder / BEGUN
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def ready(folder: Path, leaving: Iterable[Path], *, demo: bool = False) -> None:
    """From now on the change holds: what lies beside comes in, and what is leaving, by paths below `folder`, goes.

    With the demo's files its list of classes goes.
    """
    told = {"leaving": [str(path) for path in sorted(leaving)], "demo": demo}
    (folder / BEGUN / LEAVING).write_text(json.dumps(told), encoding="utf-8")
    (folder / BEGUN).rename(folder / READY)


def finish(folder: Path) -> list[str]:
    """Move what is ready into place; what there is to say of it. Begun before, it goes on: what is moved is not there again."""
    place, said = folder / READY, list[str]()
    if not place.exists():
        return said
    written = place / LEAVING  # gone where all but the clearing away was done
    told: dict[str, Any] = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {"leaving": [], "demo": False}
    _remove(folder / path for path in told["leaving"])
    if told["demo"] and told["leaving"]:
        said = _forget_classes()
    for file in [path for path in place.rglob("*") if path.is_file() and path != written]:
        target = folder / file.relative_to(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    for name in FOLDERS[1:]:  # without labels yet, `import_labels` says what is missing; without challenge `evaluate` notes it
        (folder / name).mkdir(exist_ok=True)
    track(folder / name for name in FOLDERS if (folder / name).exists())
    shutil.rmtree(place)
    return said


def _forget_classes() -> list[str]:
    """Let the demo's list of classes give way, too: of other data the labels that occur. A list that is not the demo's stays."""
    listed = f"classes: [{', '.join(KINDS)}]"
    text = PARAMETERS.read_text(encoding="utf-8") if PARAMETERS.exists() else ""
    if listed not in text:
        return []
    partial = PARAMETERS.with_name(f"{PARAMETERS.name}.partial")
    partial.write_text(text.replace(listed, "classes: auto"), encoding="utf-8")
    os.replace(partial, PARAMETERS)
    return [f"its list of classes, too: import_labels.classes in {PARAMETERS} is auto, the labels that occur"]


def _remove(paths: Iterable[Path]) -> None:
    """Delete files, and the folders that they leave empty."""
    for path in paths:
        path.unlink(missing_ok=True)
        if path.parent.exists() and not any(path.parent.iterdir()):
            path.parent.rmdir()
