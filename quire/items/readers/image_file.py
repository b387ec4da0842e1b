"""Take an image file as it is: one item, its bytes unchanged where a browser shows them."""

import io
from collections.abc import Iterator

from quire.decode import UndecodableImage, decode_noting, image_extension
from quire.items.readers.kinds import Bounds, Found


def read(data: bytes, bounds: Bounds) -> Iterator[Found]:
    """Yield the image, its size as it is decoded: upright. It is decoded whole, so that no damage is left to training."""
    extension = image_extension(data[:64]) or ""
    try:
        image, note = decode_noting(data, bounds.max_pixels)
    except UndecodableImage as error:
        damage = "damaged: " if error.code == "damaged_image" else ""
        yield Found(extension=extension, problem=f"{damage}{error}")
        return
    if extension == "heic":  # which people who label could not see
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        extension, data, note = "png", buffer.getvalue(), "drawn as RGB PNG: browsers show no HEIC"
    yield Found(width=image.width, height=image.height, extension=extension, data=data, note=note)
