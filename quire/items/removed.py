"""Tombstones: the keys of what was removed, and nothing else of it. They travel with the raw data that DVC tracks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from quire.items.tables import Item, read_table, write_table

FILE = ".removed.csv"  # in data/raw; hidden, so no file to be read
REMOVED = "removed"


@dataclass(frozen=True)
class Tombstone:
    """A row: the key of an item, or of a whole file."""

    key: str


def removed_keys(raw: Path) -> set[str]:
    """What must not be taken from the raw data again."""
    return {row.key for row in read_table(raw / FILE, Tombstone)} if (raw / FILE).exists() else set()


def write_removed(raw: Path, keys: Iterable[str]) -> None:
    """Write the tombstones."""
    write_table(raw / FILE, Tombstone, map(Tombstone, sorted(keys)))


def without_removed(rows: Sequence[Item], removed: set[str], images: Path) -> list[Item]:
    """The rows of a file without those of removed items, whose images are deleted again."""
    for row in rows:
        if row.key in removed and row.image:
            (images / row.image).unlink()
    return [row for row in rows if row.key not in removed]


def tombstones(removed: Iterable[str]) -> list[Item]:
    """A row of the ledger for each, so that a label that comes for it is told from one that means nothing."""
    return [Item(key=key, source=key, status="rejected", reason=REMOVED) for key in sorted(removed)]
