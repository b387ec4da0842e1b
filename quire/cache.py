"""What was computed from a content, kept under QUIRE_CACHE for the next run. Safe to delete at any time.

An entry is written beside and renamed, so what bears its name is whole; two runs at once write the same. Its name is made of all
that decides what it holds: the content's hash, parameters, code, versions of libraries.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LEFT_BEHIND = 86_400  # seconds after which what a killed run had begun is taken for that


def name_of(deciding: Any) -> str:
    """A short name for a plain value that says all that decides."""
    return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:16]


def open_folder(folder: Path) -> Path:
    """Make the folder, and clear away what killed runs left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for begun in folder.glob("partial-*"):
        if begun.stat().st_mtime < time.time() - LEFT_BEHIND:
            shutil.rmtree(begun, ignore_errors=True)
    return folder


@contextmanager
def partial(folder: Path) -> Iterator[Path]:
    """A place in `folder` to write an entry to, before `os.replace` gives it its name."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="partial-") as place:
        yield Path(place, "entry")


def kept(folder: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The file of this name in `folder`, which `make` writes where it is missing or damaged. Its hash ends the name."""
    for path in sorted(open_folder(folder).glob(f"{name}-*")):
        if hashlib.sha256(path.read_bytes()).hexdigest() == path.name.rpartition("-")[2]:
            return path
        print(f"{path}: damaged, so it is made anew")
        path.unlink(missing_ok=True)
    with partial(folder) as begun:
        make(begun)
        path = folder / f"{name}-{hashlib.sha256(begun.read_bytes()).hexdigest()}"
        os.replace(begun, path)
    return path
