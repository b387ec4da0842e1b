"""Whether the bytes of an embedded JPEG show the image by themselves, without decoding all of it."""

import io

from PIL import Image, ImageFile

from quire.decode import DAMAGE


class Unshowable(Exception):
    """The stored bytes do not show, outside the PDF, what the PDF shows; the message says why."""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that is whole, RGB or grey. Raises Unshowable.

    Only its tables and first rows are decoded: to decode all of it would take as long as all the rest.
    """
    if not data.startswith(b"\xff\xd8") or not data.rstrip(b"\0\r\n").endswith(b"\xff\xd9"):
        raise Unshowable("bytes before or after the JPEG, or its end is missing")
    try:
        with Image.open(io.BytesIO(data[: data.find(b"\xff\xda") + 256]), formats=("JPEG",)) as head:
            if head.mode not in ("RGB", "L"):
                raise Unshowable(f"its mode is {head.mode}")
            size = head.size
            head.draft("L", (1, 1))
            _load_first_rows(head)
    except DAMAGE as error:
        raise Unshowable(f"a decoder refuses it: {error}") from error
    return size


def _load_first_rows(head: ImageFile.ImageFile) -> None:
    try:
        head.load()
    except OSError as error:
        if "truncated" not in str(error):  # which it is: the rest was left out
            raise
