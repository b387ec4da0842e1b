"""Labels from the names of folders, as in `cat/1.jpg` and `dog/2.jpg`."""

import csv
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from quire.items.keys import item_key
from quire.items.readers.kinds import HEAD, Kind, kind_of
from quire.items.tables import write_csv
from quire.lifecycle.incoming import Incoming


def folder_labels(files: Iterable[Incoming]) -> dict[str, str]:
    """Key → label of each image file that lies in a class folder, by content, or in folders below it.

    Class folders are those at the top that hold images and no PDF, below what all images have in common: a zip often has one
    folder about all. One alone says nothing of classes and is none.
    """
    kinds = {each.path: _kind(each) for each in files}
    images = [path for path, kind in kinds.items() if kind == "image_file"]
    folders = {path.parent for path in images}
    common = PurePosixPath(os.path.commonpath(folders)) if folders else PurePosixPath()
    depth = len((common.parent if common in folders else common).parts)  # parts of a path before its class folder
    mixed = {path.parts[: depth + 1] for path, kind in kinds.items() if kind == "pdf"}
    inside = [path for path in images if len(path.parts) > depth + 1 and path.parts[: depth + 1] not in mixed]
    labels = {item_key(str(path)): unicodedata.normalize("NFC", path.parts[depth]).strip() for path in inside}
    return labels if len(set(labels.values())) > 1 else {}


def _kind(file: Incoming) -> Kind | None:
    with file.open() as stream:
        return kind_of(stream.read(HEAD))


def write_labels(labels: dict[str, str], earlier: Path, path: Path) -> None:
    """Write a table of labels as `import_labels` reads it, those of an `earlier` one included."""
    known: dict[str, str] = {}
    if earlier.exists():
        with earlier.open(newline="", encoding="utf-8") as stream:
            known = {row["key"]: row["label"] for row in csv.DictReader(stream)}
    write_csv(path, ("key", "label"), sorted((known | labels).items()))
