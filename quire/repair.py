"""Encoded images without what keeps a decoder from reading them, and with what is missing; no pixel is encoded again."""

import io
import random

from PIL import Image, ImageChops

END = b"\xff\xd9"  # of a JPEG
BLOCK = 17  # pixels a side that a JPEG codes together, at most, and one that smoothing reaches


def completed(data: bytes) -> bytes:
    """A JPEG without its end, ended. Raises OSError where rows are missing.

    What follows the last block decides no pixel. So where it does, outside the last block, blocks were missing.
    """
    pixels = []
    for padding in (b"", random.Random(0).randbytes(64).replace(b"\xff", b"")):
        image = Image.open(io.BytesIO(data + padding + END), formats=("JPEG",))
        image.load()
        pixels.append(image)
    left, top, *_ = ImageChops.difference(*pixels).getbbox() or pixels[0].size
    if left < pixels[0].width - BLOCK or top < pixels[0].height - BLOCK:
        raise OSError(f"image file is truncated: only {top} of {pixels[0].height} rows are there")
    return data + END


def without_metadata(data: bytes, extension: str) -> bytes:
    """A PNG's critical chunks and its transparency, a JPEG's frames and Adobe's colour transform; of other formats, all."""
    if extension == "png":
        return b"".join([data[:8], *(chunk for name, chunk in _chunks(data) if name[:1].isupper() or name == b"tRNS")])
    return without_segments(data, {*range(0xE1, 0xEE), 0xEF, 0xFE}) if extension == "jpg" else data


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at:end]))
        at = end
    return found


def without_segments(data: bytes, markers: set[int], starting: bytes = b"") -> bytes:
    """A JPEG without the segments of these markers that begin so, by no decoding (ITU-T T.81, B.1.1.4)."""
    kept, at = [data[:2]], 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] not in markers or not data.startswith(starting, at + 4):
            kept.append(data[at:end])
        at = max(end, at + 2)
    return b"".join([*kept, data[at:]])
