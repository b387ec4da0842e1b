"""Take a JPEG, PNG or WebP file as it is: one item, its bytes unchanged."""

from collections.abc import Iterator

from quire.decode import UndecodableImage, decode
from quire.items.readers.kinds import Bounds, Found, image_extension


def read(data: bytes, bounds: Bounds) -> Iterator[Found]:
    """Yield the image, its size as it is decoded: upright. It is decoded whole, so that no damage is left to training."""
    extension = image_extension(data) or ""
    try:
        image = decode(data, bounds.max_pixels)
    except UndecodableImage as error:
        damage = "damaged: " if error.code == "damaged_image" else ""
        yield Found(extension=extension, problem=f"{damage}{error}")
    else:
        yield Found(width=image.width, height=image.height, extension=extension, data=data)
