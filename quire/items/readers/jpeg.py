"""Whether the bytes of an embedded JPEG show the image by themselves, and what is to be left out or added for that."""

import io
import re
from dataclasses import dataclass
from typing import Any

from PIL import Image

from quire.decode import DAMAGE, orientation_of
from quire.repair import END, completed, without_segments

APP1, APP2 = 0xE1, 0xE2
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # none of those that may stand inside a scan (ITU-T T.81, B.1.1.2)
HEAD = 256  # bytes of a scan that hold its first rows
EXIF, ICC = b"Exif\0\0", b"ICC_PROFILE\0"


class Unshowable(Exception):
    """The stored bytes do not show, outside the PDF, what the PDF shows; the message says why."""


@dataclass(frozen=True)
class Jpeg:
    """A JPEG that shows the image; its own colour profile, and what was left out or added, neither of which changes a pixel."""

    data: bytes
    width: int
    height: int
    mode: str
    profile: bytes | None
    note: str


def showable(stored: bytes) -> Jpeg:
    """The JPEG with its end, and without an EXIF orientation, which no PDF viewer heeds.

    Raises Unshowable for one that is not RGB or grey or that a decoder refuses, and OSError for one whose rows are missing.
    """
    if not stored.startswith(b"\xff\xd8\xff"):
        raise Unshowable("bytes before the JPEG")
    data, notes = stored, []
    try:
        size, mode, info = _checked(data)
    except DAMAGE as error:
        if "truncated" not in str(error):
            raise Unshowable(f"a decoder refuses it: {error}") from error
        data = completed(data)
        size, mode, info = _checked(data)
        notes.append("the end of the JPEG was missing")
    if orientation_of(info) not in (None, 1):
        data = without_segments(data, {APP1}, EXIF)
        notes.append("its EXIF left out, whose orientation no PDF viewer heeds")
    return Jpeg(data, *size, mode, info.get("icc_profile"), "; ".join(notes))


def without_profile(data: bytes) -> bytes:
    """A JPEG without its own colour profile, which no PDF viewer heeds."""
    return without_segments(data, {APP2}, ICC)


def _checked(data: bytes) -> tuple[tuple[int, int], str, dict[Any, Any]]:
    """Size, mode and metadata of a JPEG that can be decoded to its end. Raises Unshowable, DAMAGE.

    Decoding takes as long as all the rest. So where one scan runs to the end without a marker, which damage would make or take
    away, only its first rows are decoded: other damage shows in the image, and no decoder refuses it.
    """
    scan = data.find(b"\xff\xda")
    marker = MARKER.search(data, scan + 2)
    plain = marker is not None and marker[0] == END and not data[marker.end() :].rstrip(b"\0\r\n")
    with Image.open(io.BytesIO(data[: scan + HEAD] if plain else data), formats=("JPEG",)) as image:
        if image.mode not in ("RGB", "L"):
            raise Unshowable(f"its mode is {image.mode}")
        size, mode, info = image.size, image.mode, dict(image.info)
        image.draft("L", (1, 1))
        try:
            image.load()
        except OSError as error:
            if not plain or "truncated" not in str(error):
                raise
    return size, mode, info
