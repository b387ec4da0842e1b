"""Items to the inputs of a model: of an image a square of pixels."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ResizeRule = Literal["crop", "squash"]


def resize(image: Image.Image, size: int, rule: ResizeRule) -> NDArray[np.uint8]:
    """Make the square that the encoder takes, (S, S, 3) uint8 RGB.

    `crop` keeps the aspect ratio and takes the middle; `squash` keeps every pixel and bends the ratio.
    """
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side) if rule == "crop" else None
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(square, dtype=np.uint8)  # (S, S, 3) uint8
