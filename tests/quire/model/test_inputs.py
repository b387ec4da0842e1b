import numpy as np
from PIL import Image

from quire.model.inputs import resize


def test_crop_takes_the_middle_and_squash_all_of_it() -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste("red", (0, 0, 10, 20))  # left of the middle square, whose edge the filter sees
    assert (resize(image, 8, "crop")[:, 1:] == 255).all()
    squashed = resize(image, 8, "squash")
    assert squashed.shape == (8, 8, 3)
    assert squashed.dtype == np.uint8
    assert squashed[4, 0].tolist() == [255, 0, 0]
