"""What a client hands over: the files of a folder or a zip, or one file; looked at before anything is copied."""

import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from quire.command import BadInput
from quire.items.keys import is_utf8, printable

RATIO, SMALL = 100, 100 * 2**20  # a zip that unpacks to more than so many times its size, and to more bytes than so many, is a bomb
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError)  # what zipfile raises for damage


@dataclass(frozen=True)
class Incoming:
    """A file on its way in: its path below the folder that takes it, its size in bytes, and how to open it."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def incoming(source: Path) -> Iterator[list[Incoming]]:
    """The files of a folder with its subfolders, of a zip, or the one file, sorted; hidden ones are left out.

    Raises BadInput where there is none, for a name that is not UTF-8, and for a zip that is damaged, encrypted, a bomb, or
    would write elsewhere. What is found damaged when it is read is BadInput as well, while the context lasts.
    """
    if not source.exists():
        raise BadInput(f"{source}: no such file or folder")
    if _is_zip(source):
        try:
            with zipfile.ZipFile(source, metadata_encoding="utf-8") as archive:
                yield _visible(source, _members(source, archive))
        except UnicodeDecodeError as error:
            raise BadInput(f"{source}: the name {error.object!r} in it is not UTF-8; pack it anew") from error
        except BROKEN as error:
            raise BadInput(f"{source}: damaged: {error}") from error
    else:
        root = source if source.is_dir() else source.parent
        paths = [path for path in (source.rglob("*") if source.is_dir() else [source]) if path.is_file()]
        names = [PurePosixPath(path.relative_to(root).as_posix()) for path in paths]
        opened = zip(names, paths, strict=True)
        yield _visible(source, [Incoming(name, path.stat().st_size, _opener(path)) for name, path in opened])


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _is_zip(source: Path) -> bool:
    """By content: a PDF or an image may have a zip behind it, and is none."""
    if not source.is_file():
        return False
    with source.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _members(source: Path, archive: zipfile.ZipFile) -> list[Incoming]:
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", info.filename):
            raise BadInput(f"{source}: {info.filename!r} in it would be written elsewhere")
        if info.flag_bits & 1:
            raise BadInput(f"{source}: {info.filename!r} in it is encrypted; unpack it with its password and bring in the folder")
        if not info.is_dir() and found.setdefault(path, info) is not info:
            raise BadInput(f"{source}: {info.filename!r} is in it twice")
    size, packed = sum(info.file_size for info in found.values()), source.stat().st_size
    if size > max(SMALL, RATIO * packed):
        raise BadInput(f"{source}: its {packed} bytes unpack to {size}, more than {RATIO} times as many")
    return [Incoming(path, info.file_size, partial(archive.open, info)) for path, info in found.items()]


def _visible(source: Path, found: list[Incoming]) -> list[Incoming]:
    visible = [each for each in found if not any(part.startswith((".", "__MACOSX")) for part in each.path.parts)]
    wrong = [printable(str(each.path)) for each in visible if not is_utf8(str(each.path))]
    if wrong:
        more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
        raise BadInput(f"{source}: the name {wrong[0]!r}{more} is not UTF-8; nothing was copied. Rename it")
    if not visible:
        raise BadInput(f"{source}: no file in it")
    return sorted(visible, key=lambda each: each.path)
