import io
from random import Random

import pytest
from PIL import Image

from quire.demo.drawing import SIZES, draw, encoded
from quire.demo.shapes import FACES, both, box, face, taper


@pytest.mark.parametrize("kind", ["cat", "dog", "other"])
def test_a_seed_gives_an_image_and_another_seed_another(kind: str) -> None:
    first, again, other = (draw(kind, Random(seed)) for seed in (1, 1, 2))
    assert first.mode == "RGB"
    assert first.size in SIZES
    assert first.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
def test_an_image_file_is_of_the_encoding_asked_for(encoding: str) -> None:
    assert Image.open(io.BytesIO(encoded(draw("cat", Random(0)), encoding))).format == encoding


def test_what_is_drawn_on_one_side_is_drawn_on_the_other() -> None:
    assert both([("fur", (3, 4, 1, 2))]) == [("fur", (3, 4, 1, 2)), ("fur", (-3, 4, -1, 2))]
    assert both([("fur", box(1, 2, 3, 4))])[1] == ("fur", (-1, 2, -3, 2, -3, 4, -1, 4))


def test_a_limb_goes_from_one_disc_to_another() -> None:
    limb = taper("fur", (0, 10, 4), (14, -10, 2))
    assert limb[0] == ("fur", (0, 10, 4, 4))
    assert limb[-1] == ("fur", (14, -10, 2, 2))
    assert len(limb) == 15


def test_ears_that_hang_lie_before_the_head_and_others_behind() -> None:
    def place_of_ears(name: str) -> tuple[int, int]:
        shapes = face(FACES[name], "fur")
        head, tip = (0, 0, FACES[name].width, FACES[name].height), FACES[name].ear_y
        return [numbers for _, numbers in shapes].index(head), max(i for i, (_, n) in enumerate(shapes) if n[1] == tip)

    head, ears = place_of_ears("dog")
    assert head < ears
    head, ears = place_of_ears("cat")
    assert ears < head


def test_cats_have_whiskers_and_dogs_have_none() -> None:
    wide = {name: max(numbers[2] for _, numbers in face(FACES[name], "fur") if len(numbers) == 6) for name in ("cat", "rabbit")}
    assert wide["cat"] > wide["rabbit"] > 0
    assert not [numbers for _, numbers in face(FACES["dog"], "fur") if len(numbers) == 6]
