"""Bring a client's data in, tracked by DVC."""

import filecmp
import shutil
from pathlib import Path

from quire.command import BadInput
from quire.demo.demo import FOLDERS
from quire.demo.images import files
from quire.items.dvc import track

EXPORTS = {".json", ".csv"}


def new_files(source: Path, target: Path, giving_way: set[Path], suffixes: set[str] | None = None) -> list[tuple[Path, Path]]:
    """Pair each new file of `source`, a file or a folder with its subfolders, with its place in `target`.

    Leaves out what is there already and, of a folder, files of other `suffixes`, which it names. Raises BadInput where
    `source` holds nothing, or where a file of another content, and not of those `giving_way`, has the place.
    """
    if not source.exists():
        raise BadInput(f"{source}: no such file or folder")
    root = source if source.is_dir() else source.parent
    found = sorted(p for p in (source.rglob("*") if source.is_dir() else [source]) if p.is_file() and not p.name.startswith("."))
    others = [path for path in found if suffixes and source.is_dir() and path.suffix.lower() not in suffixes]
    found = [path for path in found if path not in others]
    if not found:
        raise BadInput(f"{source}: no {' or '.join(sorted(suffixes or {'file'}))} in it")
    if others:
        print(f"add: {source}: {len(others)} files are left where they are, being no export: {others[0].name}, …")
    pairs = [(path, target / path.relative_to(root)) for path in found]
    taken = [(path, place) for path, place in pairs if place.exists() and place not in giving_way]
    changed = [str(place) for path, place in taken if not filecmp.cmp(path, place, shallow=False)]
    if changed:
        names = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        raise BadInput(f"{source}: another content is there already: {names}; nothing was copied. Remove or rename one of the two")
    return [pair for pair in pairs if pair not in taken]


def data(pdfs: Path | None, annotations: Path | None, challenge: Path | None, folder: Path) -> None:
    """Copy PDFs, annotations and challenge images into `folder`, all or nothing; PDFs take the demo's place."""
    if not pdfs and not annotations and not challenge:
        raise BadInput("name what to bring in: quire add <folder> --annotations <file or folder> --challenge <folder>")
    drawn = demo_files(folder) if pdfs else set()  # labels or challenge images alone are brought in beside it
    pairs = new_files(pdfs, folder / "raw", drawn) if pdfs else []
    pairs += new_files(annotations, folder / "annotations", drawn, EXPORTS) if annotations else []
    pairs += new_files(challenge, folder / "challenge", drawn) if challenge else []
    for path in drawn:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    for path, place in pairs:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for name in FOLDERS[1:]:  # without labels yet, `import_labels` says what is missing; without challenge `evaluate` notes it
        (folder / name).mkdir(exist_ok=True)
    track(folder / name for name in FOLDERS)
    removed = f"; the demo's {len(drawn)} files gave way" if drawn else ""
    print(f"add: {len(pairs)} new files in {folder}{removed}. Next: make repro, then git add data/*.dvc && git commit --all")


def demo_files(folder: Path) -> set[Path]:
    """The files in `folder` that are the demo's to the byte."""
    if not (folder / "raw" / "demo-000.pdf").exists():
        return set()
    return {folder / path for path, content in files() if (folder / path).is_file() and (folder / path).read_bytes() == content}
