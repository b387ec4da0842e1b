"""How items are named: by the path below the raw folder and the place inside the file, never by what lies beside it."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

from quire.command import BadInput
from quire.items.tables import Item

IMAGE_EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff"}


def item_key(source: str, page: int | None = None, index: int | None = None) -> str:
    """The key of an item of `source`, a path below the raw folder; page and index count from 0.

    An image of a PDF is `<path without extension>_page<i>_index<j>`, an image file its path with extension; `/` is `__`.
    """
    path = PurePosixPath(source)
    name = str(path).replace("/", "__") if page is None else _without_suffix(path)
    return _composed(_placed(name, page, index))


def row_key(table: str, own: str) -> str:
    """The key of a row: `<table without extension>__<its own key, percent-encoded>`."""
    return _composed(f"{_without_suffix(PurePosixPath(table))}__{quote(own, safe='')}")


def older_keys(item: Item) -> set[str]:
    """The other names by which an export may call an item, without its key; another item may have some of them too.

    Earlier versions named a PDF by its stem, namesakes by the path with `-` for `/`, and with a hash where that was taken.
    A row of a table may go by its own key alone, an image file by its path, its base name, or its key, with or without extension.
    Each is there as `portable` writes it, too.
    """
    if item.key is None:
        return set()
    path = PurePosixPath(item.source)
    if item.row is not None:
        names = {unquote(item.key.removeprefix(f"{_without_suffix(path)}__"))}
    elif item.page is None:
        whole = {item.key, item.source, path.name}
        names = whole | {_without_extension(name) for name in whole}
    else:
        dashed = _composed(str(path.with_suffix("")).replace("/", "-"))
        hashed = f"{dashed}-{hashlib.sha256(item.source.encode()).hexdigest()[:8]}"
        names = {item.key} | {_placed(name, item.page, item.index) for name in (path.stem, dashed, hashed)}
    names = {_composed(name) for name in names}
    return names.union(map(portable, names)) - {item.key}


def refuse_shared_keys(items: Iterable[Item]) -> None:
    """Raise BadInput, naming both, where two sources give one key or one file in data/images.

    Names that differ in case alone are one: on some file systems they are.
    """
    taken: dict[str, str] = {}
    for item in items:
        for name in filter(None, (item.key, None if item.row is not None else item.image)):  # rows may share a photo
            other = taken.setdefault(name.casefold(), item.source)
            if other != item.source:
                raise BadInput(f"{other} and {item.source}: both would be {name}; rename one of the two files")


def is_utf8(name: str) -> bool:
    """Whether a file's name, as the system hands it over, is text that a table can hold."""
    return printable(name) == name


def printable(name: str) -> str:
    """A file's name with `?` for each byte that is not UTF-8."""
    return name.encode(errors="replace").decode()


def portable(file_name: str) -> str:
    """The name in the characters that every annotation tool takes: of any other, its code point, `{e9}` for `é`."""
    return re.sub(r"[^a-zA-Z0-9\-_. ()]", lambda found: f"{{{ord(found[0]):x}}}", file_name)


def _placed(name: str, page: int | None, index: int | None) -> str:
    return name + "".join(f"_{what}{count}" for what, count in (("page", page), ("index", index)) if count is not None)


def _without_suffix(path: PurePosixPath) -> str:
    return str(path.with_suffix("")).replace("/", "__")


def _without_extension(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in IMAGE_EXTENSIONS else name


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
