"""Bytes to pixels: the one decoder of training, evaluation and serving.

What an image is gets decided by its content, never by a name or a declared type.
"""

import io
import struct
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from quire.command import BadInput

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 50_000_000  # 150 MB of RGB: more than any camera's image, less than a decompression bomb

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError)  # what Pillow's decoders raise for damaged data


class UndecodableImage(BadInput):
    """The bytes are no image that Quire reads; the message says why, `code` of which kind the reason is."""

    def __init__(self, message: str, code: Literal["empty", "not_an_image", "damaged_image", "too_many_pixels"]) -> None:
        super().__init__(message)
        self.code = code


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a JPEG, PNG or WebP as RGB, upright (EXIF orientation), transparency on white.

    Raises UndecodableImage for other formats, for damaged data and above `max_pixels`.
    """
    if not data:
        raise UndecodableImage("no bytes at all", "empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UndecodableImage(str(error), "too_many_pixels") from error
    except UnidentifiedImageError as error:
        raise UndecodableImage(f"not a {', '.join(FORMATS)} image", "not_an_image") from error
    except DAMAGE as error:
        raise UndecodableImage(str(error), "damaged_image") from error
    if image.width * image.height > max_pixels:
        raise UndecodableImage(f"{image.width} x {image.height} pixels, over the limit of {max_pixels}", "too_many_pixels")
    try:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _as_rgb(image)
    except DAMAGE as error:
        raise UndecodableImage(str(error), "damaged_image") from error


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")  # to RGB from RGB is a copy, and half of the time
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
