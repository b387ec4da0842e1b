"""From what was found in a file to its rows of the ledger, and the images that are kept to their place."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from quire.command import BadInput
from quire.items.keys import item_key
from quire.items.readers.cache import Cache
from quire.items.readers.kinds import Found, is_repeat
from quire.items.tables import Item

LONGEST_NAME = 255  # bytes: what Linux' and macOS' file systems take


def raw_files(raw: Path) -> list[str]:
    """The paths of all files below the folder but hidden ones, sorted. Raises BadInput where there is none."""
    if not raw.is_dir():
        raise BadInput(f"{raw}: no such folder")
    found = [path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise BadInput(f"{raw}: no file in it; `quire add <folder>` brings yours")
    return sorted(found)


def file_rows(source: str, sha256: str, cache: Cache, images: Path) -> list[Item]:
    """The rows of a file that the cache knows; the images that are kept are copied into `images`."""
    with cache.entry(sha256) as (found, archive):
        rows = _mark_repeat([_row(source, sha256, each) for each in found])
        for number, row in enumerate(rows):
            if row.image:
                (images / row.image).write_bytes(archive.read(str(number)))
    return rows


def rejected(source: str, reason: str) -> Item:
    """The row of a file that gives no item."""
    return Item(key=None, source=source, status="rejected", reason=reason)


def _row(source: str, source_sha256: str, found: Found) -> Item:
    key = item_key(source, found.page, found.index) if found.is_item else None
    image = _image_name(key, found.extension) if key and not found.problem else None
    too_long = image and len(image.encode()) > LONGEST_NAME
    reason = f"its path makes a name of more than {LONGEST_NAME} bytes; shorten it" if too_long else found.problem
    return Item(
        key=key,
        source=source,
        page=found.page,
        index=found.index,
        status="rejected" if reason else "kept",
        reason=reason or None,
        note=found.note or None,
        image=None if reason else image,
        image_sha256=found.sha256 or None,
        width=found.width or None,
        height=found.height or None,
        source_sha256=source_sha256,
    )


def _image_name(key: str, extension: str) -> str:
    """The key, with the extension of its content where it has not that already."""
    own = PurePosixPath(key).suffix.lower().replace(".jpeg", ".jpg")
    return key if own == f".{extension}" else f"{key}.{extension}"


def _mark_repeat(rows: Sequence[Item]) -> list[Item]:
    """Mark the last image of a document where it repeats the first."""
    kept = [row for row in rows if row.status == "kept"]
    if not is_repeat([row.image_sha256 for row in kept]):
        return list(rows)
    repeat = replace(kept[-1], status="repeat", reason=f"equals {kept[0].key}", image=None)
    return [repeat if row is kept[-1] else row for row in rows]
