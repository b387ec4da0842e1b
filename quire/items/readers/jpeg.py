"""Whether the bytes of an embedded JPEG show the image by themselves, and what is to be left out or added for that."""

import io
from dataclasses import dataclass

from PIL import Image

from quire.decode import DAMAGE, completed, orientation_of, without_segments

APP1, APP2 = 0xE1, 0xE2
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
    """The JPEG with its end, and without an EXIF orientation, which no PDF viewer heeds. It is decoded at an eighth.

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


def _checked(data: bytes) -> tuple[tuple[int, int], str, dict[str | tuple[int, int], object]]:
    """Size, mode and metadata of a JPEG that can be decoded to its end. Raises Unshowable, DAMAGE."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.mode not in ("RGB", "L"):
            raise Unshowable(f"its mode is {image.mode}")
        size, mode, info = image.size, image.mode, dict(image.info)
        image.draft("L", (1, 1))
        image.load()
    return size, mode, info
