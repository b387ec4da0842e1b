"""What a scanner cuts into strips or tiles is one image; images that only lie side by side are not."""

import numpy as np
import pytest
from PIL import Image

from quire.items.readers.pdf import PageImage
from tests.quire.items.readers.drawn import arrow, image_object, jpeg_object, page
from tests.quire.items.readers.test_pdf_image import difference, taken

WHOLE = arrow((480, 480))


def cut(image: Image.Image, columns: int, rows: int, *, encoding: str = "flate", keys: str = "") -> bytes:
    """A page of 200 points that the image fills, in pieces."""
    width, height, draws, images = image.width // columns, image.height // rows, [], {}
    for number in range(columns * rows):
        column, row = number % columns, number // columns
        piece = image.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
        space = "/ColorSpace /DeviceGray" if image.mode == "L" else "/ColorSpace /DeviceRGB"
        flate = image_object(piece.size, piece.tobytes(), space)
        images[f"I{number}"] = jpeg_object(piece, space) if encoding == "jpeg" else flate
        sides = 200 / columns, 200 / rows
        draws.append(f"q {sides[0]} 0 0 {sides[1]} {column * sides[0]} {200 - (row + 1) * sides[1]} cm /I{number} Do Q")
    return page(" ".join(draws), images, keys=keys)


def side_by_side(images: list[Image.Image], gap: float = 0) -> list[PageImage]:
    draws = [f"q 40 0 0 40 {number * (40 + gap)} 0 cm /I{number} Do Q" for number in range(len(images))]
    objects = {
        f"I{number}": image_object(each.size, each.tobytes(), "/ColorSpace /DeviceRGB") for number, each in enumerate(images)
    }
    return taken(page(" ".join(draws), objects))


@pytest.mark.parametrize(("columns", "rows"), [(1, 20), (1, 3), (20, 1), (4, 5), (2, 1)])
@pytest.mark.parametrize("encoding", ["flate", "jpeg"])
@pytest.mark.parametrize("keys", ["", "/Rotate 90"])
def test_strips_and_tiles_are_one_image(columns: int, rows: int, encoding: str, keys: str) -> None:
    data = cut(WHOLE, columns, rows, encoding=encoding, keys=keys)
    (found,) = taken(data)
    assert (found.width, found.height) == (480, 480)
    assert found.note == f"drawn as RGB PNG from the page: {columns * rows} pieces of one image"
    assert difference(found, data, (0, 0, 200, 200)) <= 6


def test_strips_of_a_grey_scan_with_blank_seams_stay_grey() -> None:
    (found,) = taken(cut(Image.new("L", (400, 400), 250), 1, 10))
    assert "grey PNG" in found.note


def test_unlike_images_side_by_side_are_several() -> None:
    random = np.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (60, 60, 3), np.uint8)) for _ in range(4)]
    assert len(side_by_side(images)) == 4


def test_products_on_white_side_by_side_are_several() -> None:
    images = []
    for hue in ("red", "green", "blue"):
        image = Image.new("RGB", (60, 60), "white")
        image.paste(hue, (15, 15, 45, 45))
        images.append(image)
    assert len(side_by_side(images)) == 3


def test_pieces_with_a_gap_between_them_are_several() -> None:
    assert len(side_by_side([WHOLE.crop((number * 120, 180, (number + 1) * 120, 300)) for number in range(4)], gap=0.7)) == 4


def test_more_pixels_together_than_allowed_leave_the_pieces() -> None:
    assert len(taken(cut(WHOLE, 1, 4), max_pixels=480 * 300)) == 4


def test_a_tile_that_repeats_is_one_row() -> None:
    draws = " ".join(f"q 50 0 0 50 {x} {y} cm /I Do Q" for x in range(0, 200, 50) for y in range(0, 200, 50))
    (found,) = taken(page(draws, {"I": image_object((50, 50), arrow((50, 50)).tobytes(), "/ColorSpace /DeviceRGB")}))
    assert (found.width, found.height) == (50, 50)
