"""Bring a client's data in, all or nothing, tracked by DVC."""

import shutil
from collections import Counter
from pathlib import Path

from quire.command import BadInput
from quire.demo.images import files
from quire.lifecycle.change import BEGUN, FOLDERS, begun, finish, ready
from quire.lifecycle.class_folders import folder_labels, write_labels
from quire.lifecycle.incoming import Incoming, incoming

EXPORTS = {".json", ".csv"}
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
    finish(folder)
    drawn = demo_files(folder) if source else set()  # labels or challenge images alone are brought in beside it
    said = [f"the demo's {len(drawn)} files gave way"] if drawn else []
    with begun(folder) as place:
        new = sum(_stage(path, name, folder, drawn, said) for name, path in given.items())
        if source and not annotations:
            said += _label_by_folders(source, folder)
        ready(folder, [path for path in drawn if not (place / path).exists()], demo=True)
    said += finish(folder)
    return f"{'; '.join([f'{new} new files in {folder}', *said])}. Next: make repro, then git add data/*.dvc && git commit --all"


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
