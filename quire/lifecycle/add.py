"""Bring a client's data in, all or nothing, tracked by DVC.

What is new is copied into a folder beside; only when all is there, the folder gets its second name, and its files are moved
into place. A call that was killed before has changed nothing; one that was killed after is completed by the next.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from quire.command import PARAMETERS, BadInput
from quire.demo.images import KINDS, files
from quire.items.dvc import track
from quire.lifecycle.class_folders import folder_labels, write_labels
from quire.lifecycle.incoming import Incoming, incoming

FOLDERS = ("raw", "annotations", "challenge")
EXPORTS = {".json", ".csv"}
BEGUN, READY, LEAVING = "add.partial", "add-ready.partial", "leaving.json"
BLOCK = 2**20  # bytes compared at once


def add(source: Path | None, *, annotations: Path | None, challenge: Path | None, folder: Path) -> str:
    """Copy files, folders or zips into `folder` and say what came in; data of one's own take the demo's place.

    Where `source` holds images in class folders and no annotations come with it, a table of labels is written from their names.
    Raises BadInput, with nothing changed, for what cannot be read and where a file of another content has the place.
    """
    given = {name: path for name, path in zip(FOLDERS, (source, annotations, challenge), strict=True) if path}
    if not given:
        raise BadInput("name what to bring in: quire add <folder, zip or file> --annotations <export> --challenge <folder>")
    if source and folder.resolve().is_relative_to(source.resolve()):
        raise BadInput(f"{source}: {folder} itself lies in it")
    _finish(folder)
    drawn = demo_files(folder) if source else set()  # labels or challenge images alone are brought in beside it
    said = [f"the demo's {len(drawn)} files gave way"] if drawn else []
    begun = folder / BEGUN
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    try:
        new = sum(_stage(path, name, folder, drawn, said) for name, path in given.items())
        if source and not annotations:
            said += _label_by_folders(source, folder)
        leaving = [str(path) for path in sorted(drawn) if not (begun / path).exists()]
        (begun / LEAVING).write_text(json.dumps(leaving), encoding="utf-8")
        begun.rename(folder / READY)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    said += _finish(folder)
    return f"{'; '.join([f'{new} new files in {folder}', *said])}. Next: make repro, then git add data/*.dvc && git commit --all"


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


def demo_files(folder: Path) -> set[Path]:
    """The files of `folder` that are the demo's to the byte, by their paths below it."""
    if not (folder / "raw" / "demo-000.pdf").exists():
        return set()
    return {path for path, content in files() if (folder / path).is_file() and (folder / path).read_bytes() == content}


def _stage(source: Path, name: str, folder: Path, drawn: set[Path], said: list[str]) -> int:
    """Copy what is new of `source` beside the folder `name`; how many files that is. Raises BadInput where others have a place."""
    with incoming(source) as given:
        found = _exports(source, given, said) if name == "annotations" and source.is_dir() else given
        places = {file: Path(name, file.path) for file in found}
        new = [file for file, place in places.items() if place in drawn or not _is_there(file, folder / place)]
        above = {Path(name, parent) for file in new for parent in file.path.parents}  # folders that must not be files
        taken = [place for file in new if (place := places[file]) not in drawn and (folder / place).exists()]
        taken += [place for place in above if (folder / place).is_file()]
        if taken:
            named = ", ".join(str(folder / place) for place in sorted(taken)[:5])
            more = f" and {len(taken) - 5} more" if taken[5:] else ""
            raise BadInput(f"{source}: another content is there already: {named}{more}; nothing was copied. Rename one of the two")
        size, free = sum(file.size for file in new), shutil.disk_usage(folder).free
        if size > free:
            raise BadInput(f"{source}: {size} bytes are new, and {free} are free at {folder}; nothing was copied")
        for file in new:
            _copy(file, folder / BEGUN / places[file])
    return len(new)


def _exports(source: Path, found: list[Incoming], said: list[str]) -> list[Incoming]:
    """Of a folder of annotations the exports: the service's feedback, too, has its log and images beside them."""
    exports = [file for file in found if file.path.suffix.lower() in EXPORTS]
    others = [file for file in found if file.path.suffix.lower() not in EXPORTS]
    if not exports:
        raise BadInput(f"{source}: no {' or '.join(sorted(EXPORTS))} in it")
    if others:
        said.append(f"{len(others)} files of {source} are left where they are, being no export: {others[0].path}, …")
    return exports


def _is_there(file: Incoming, place: Path) -> bool:
    """Whether a file of that content has the place already."""
    if not place.is_file() or place.stat().st_size != file.size:
        return False
    with file.open() as one, place.open("rb") as other:
        return all(block == other.read(BLOCK) for block in iter(lambda: one.read(BLOCK), b""))


def _copy(file: Incoming, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with file.open() as stream, place.open("wb") as copy:
        shutil.copyfileobj(stream, copy)


def _label_by_folders(source: Path, folder: Path) -> list[str]:
    """Write a table of labels where `source` holds class folders; what there is to say of it."""
    with incoming(source) as found:
        labels = folder_labels(found)
    if not labels:
        return []
    place = Path("annotations", f"folders-{source.resolve().name.removesuffix('.zip')}.csv")
    write_labels(labels, folder / place, folder / BEGUN / place)
    counts = ", ".join(f"{label} {count}" for label, count in sorted(Counter(labels.values()).items()))
    return [f"labels from the names of folders: {counts}, in {folder / place}, to be deleted if they are none"]


def _finish(folder: Path) -> list[str]:
    """Move what is ready into place; what there is to say of it. Begun before, it goes on: what is moved is not there again."""
    ready, said = folder / READY, list[str]()
    if not ready.exists():
        return said
    leaving = json.loads((ready / LEAVING).read_text(encoding="utf-8")) if (ready / LEAVING).exists() else []
    if leaving:
        _remove(folder / path for path in leaving)
        said = _forget_classes()
    for name in FOLDERS:
        for file in [path for path in (ready / name).rglob("*") if path.is_file()]:
            place = folder / file.relative_to(ready)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)
    for name in FOLDERS[1:]:  # without labels yet, `import_labels` says what is missing; without challenge `evaluate` notes it
        (folder / name).mkdir(exist_ok=True)
    track(folder / name for name in FOLDERS if (folder / name).exists())
    shutil.rmtree(ready)
    return said


def _remove(paths: Iterable[Path]) -> None:
    """Delete files, and the folders that they leave empty."""
    for path in paths:
        path.unlink(missing_ok=True)
        if path.parent.exists() and not any(path.parent.iterdir()):
            path.parent.rmdir()
