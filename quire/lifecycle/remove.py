"""Let an item or a document leave raw data, annotations, log and feedback, all or nothing; its key alone stays, as a tombstone."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from quire.command import BadInput, machine
from quire.items.annotations.exports import export_files, read_export
from quire.items.annotations.matching import Ledger
from quire.items.annotations.votes import Remark, Vote
from quire.items.keys import item_key
from quire.items.removed import REMOVED, removed_keys, write_removed
from quire.items.tables import Assignment, Item, read_table, write_table
from quire.lifecycle.change import begun, finish, ready
from quire.lifecycle.purge import forget, purged


def remove(subject: str, folder: Path, store: Path) -> str:
    """Remove the item of a key, or the file of a path below `folder`/raw with all its items; what there is to say.

    The service's log and feedback in `store` go first, so that a run that is killed is to be run again; then the change of
    `folder` is whole or not at all. Raises BadInput, with nothing changed, for what the ledger does not have.
    """
    finish(folder)
    if not (folder / "items.csv").is_file():
        raise BadInput(f"{folder / 'items.csv'}: no such file: `dvc checkout` or `make repro` brings the ledger")
    ledger = [row for row in read_table(folder / "items.csv", Item) if row.reason != REMOVED]
    rows, file = _meant(subject, ledger, folder / "raw")
    keys = {row.key for row in rows if row.key} | ({item_key(file)} if file else set())
    images = {row.image_sha256 for row in rows if row.image_sha256}
    documents = {row.source_sha256 for row in rows if row.source_sha256} if file else set()
    answers = forget(store, images | documents, documents)
    with begun(folder) as place:
        leaving = [Path("raw", file)] if file else []
        leaving += _purge_annotations(folder, place, ledger, rows, images)
        write_removed(place / "raw", removed_keys(folder / "raw") | keys)
        _thaw(folder / "frozen.csv", place / "frozen.csv", keys)
        ready(folder, leaving)
    finish(folder)
    _forget_reading(row.source_sha256 for row in rows)
    stays = "" if file else f"; {rows[0].source} stays, and the item in it: `quire remove {rows[0].source}` removes the whole"
    return f"{subject}: {len(keys)} keys, {answers} answers of the log{stays}. Next: make repro, then git commit --all"


def _meant(subject: str, ledger: Sequence[Item], raw: Path) -> tuple[list[Item], str]:
    """The rows that a subject names, and the file that goes with them, or ""."""
    source = subject.removeprefix(f"{raw.as_posix()}/")
    rows = [row for row in ledger if row.source == source] or [row for row in ledger if row.key == subject]
    if not rows:
        raise BadInput(f"{subject}: neither a key nor a source of {raw.parent / 'items.csv'}")
    whole = [row for row in ledger if row.source == rows[0].source]
    return rows, rows[0].source if len(rows) == len(whole) else ""


def _purge_annotations(folder: Path, place: Path, ledger: Sequence[Item], rows: Sequence[Item], images: set[str]) -> list[Path]:
    """Write the exports that change to `place`; the paths of those of which nothing is left."""
    annotations, keys = folder / "annotations", {row.key for row in rows}
    if not annotations.is_dir() or not any(path.is_file() for path in annotations.rglob("*")):
        return []
    contents = {path.relative_to(folder): path.read_bytes() for path in export_files(annotations, needed=False)}
    exports = [read_export(content, path.name) for path, content in contents.items()]
    names = Ledger([replace(row, status="kept") if row.key in keys else row for row in ledger], exports)

    def gone(said: Vote | Remark) -> bool:
        return said.sha256 in images or names.find(said).key in keys

    emptied = []
    for path, content in contents.items():
        written = purged(content, path.name, gone)
        if written is None:
            emptied.append(path)
        elif written != content:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(written)
    return emptied


def _thaw(frozen: Path, written: Path, keys: set[str]) -> None:
    """A frozen split without the keys."""
    rows = read_table(frozen, Assignment) if frozen.is_file() else []
    if any(row.key in keys for row in rows):
        write_table(written, Assignment, [row for row in rows if row.key not in keys], without=["fold"])


def _forget_reading(documents: Iterable[str | None]) -> None:
    """What the cache holds of files of these SHA-256."""
    for sha256 in set(documents) - {None}:
        for entry in (machine().cache / "extract" / str(sha256)[:2]).glob(f"{sha256}-*.zip"):
            entry.unlink()
