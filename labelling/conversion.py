"""Images in a form that a tool takes: what it does not show becomes a PNG, by the one decoder."""

import os
from collections.abc import Sequence
from dataclasses import replace

from labelling.tool import Image
from quire.cache import open_folder, partial
from quire.command import machine
from quire.decode import decode


def as_png(image: Image, taken: Sequence[str]) -> Image:
    """The image, unless its name ends as none of `taken`: then a PNG of it in the cache, named after it, so that its key stays.

    Raises UndecodableImage.
    """
    if image.name.lower().endswith(tuple(taken)):
        return image
    folder = open_folder(machine().cache / "png")
    path = folder / f"{image.sha256}.png"
    if not path.exists():
        with partial(folder) as begun:
            decode(image.path.read_bytes()).save(begun, "PNG")
            os.replace(begun, path)
    return replace(image, name=f"{image.name}.png", path=path, size=path.stat().st_size)
