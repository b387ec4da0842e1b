"""Take an image file as it is: one item, its bytes unchanged where a browser shows them."""

import io
from collections.abc import Iterator

from quire.decode import UndecodableImage, decode_noting, image_extension
from quire.items.readers.kinds import Bounds, Found
from quire.items.readers.limits import MemoryBound, within_memory


def read(data: bytes, bounds: Bounds) -> Iterator[Found]:
    """Yield the image, its size as it is decoded: upright. It is decoded whole, so that no damage is left to training."""
    extension = image_extension(data[:64]) or ""
    try:
        with within_memory(bounds.max_memory):
            found = _taken(data, extension, bounds.max_pixels)
    except UndecodableImage as error:
        damage = "damaged: " if error.code == "damaged_image" else ""
        found = Found(extension=extension, problem=f"{damage}{error}")
    except MemoryBound as error:
        found = Found(extension=extension, problem=str(error))
    yield found


def _taken(data: bytes, extension: str, max_pixels: int) -> Found:
    image, note = decode_noting(data, max_pixels)
    if extension == "heic":  # which people who label could not see
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        extension, data, note = "png", buffer.getvalue(), "drawn as RGB PNG: browsers show no HEIC"
    return Found(width=image.width, height=image.height, extension=extension, data=data, note=note)
