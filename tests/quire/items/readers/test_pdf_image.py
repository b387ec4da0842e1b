"""What is taken out of a page is what the page shows at that place."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from quire.decode import decode
from quire.items.readers.pdf import PageImage, open_pdf, page_images
from tests.quire.items.readers.drawn import (
    BOUNDS,
    arrow,
    image_object,
    jpeg_object,
    page,
    rendered,
    stream,
    thumbnail,
)

More = dict[int, str | bytes]
SHOWN = 6.0  # of 255: mean difference of two thumbnails that show the same
TURNS = {
    "upright": "120 0 0 80 20 60",
    "mirrored": "-120 0 0 80 140 60",
    "upside_down": "120 0 0 -80 20 140",
    "half_turn": "-120 0 0 -80 140 140",
    "left": "0 120 -80 0 140 20",
    "right": "0 -120 80 0 60 140",
    "transposed": "0 120 80 0 60 20",
    "transverse": "0 -120 -80 0 140 140",
    "slanted": "120 0.5 -0.3 80 20 60",
}
GREY = arrow().convert("L")
MASK = Image.linear_gradient("L").resize((120, 80))
ROUND = Image.fromarray(np.hypot(*(np.indices((80, 120)) - np.array([40, 60])[:, None, None])) < 35)

BLENDED = (np.asarray(arrow()) * (np.asarray(MASK)[..., None] / 255)).astype(np.uint8).tobytes()  # with black, by the mask
INK = "<< /FunctionType 2 /Domain [0 1] /C0 [1 1 1] /C1 [0.1 0.2 0.8] /N 1 >>"


def _packed(image: Image.Image) -> bytes:
    return np.packbits(np.asarray(image.convert("1")), axis=1).tobytes()


def _jpx() -> bytes:
    buffer = io.BytesIO()
    arrow().save(buffer, "JPEG2000")
    return stream("/Type /XObject /Subtype /Image /Width 120 /Height 80 /Filter /JPXDecode", buffer.getvalue())


MASK_OBJECT = image_object((120, 80), MASK.tobytes(), "/ColorSpace /DeviceGray")
KINDS: dict[str, tuple[bytes, More]] = {
    "jpeg": (jpeg_object(arrow()), {}),
    "jpeg_progressive": (jpeg_object(arrow(), progressive=True), {}),
    "jpeg_grey": (jpeg_object(GREY, "/ColorSpace /DeviceGray"), {}),
    "jpeg_cmyk": (jpeg_object(arrow().convert("CMYK"), "/ColorSpace /DeviceCMYK /Decode [1 0 1 0 1 0 1 0]"), {}),
    "jpeg_inverted": (jpeg_object(GREY, "/ColorSpace /DeviceGray /Decode [1 0]"), {}),
    "jpeg_masked": (jpeg_object(arrow(), "/ColorSpace /DeviceRGB /SMask 20 0 R"), {20: MASK_OBJECT}),
    "rgb": (image_object((120, 80), arrow().tobytes(), "/ColorSpace /DeviceRGB"), {}),
    "cmyk": (image_object((120, 80), arrow().convert("CMYK").tobytes(), "/ColorSpace /DeviceCMYK"), {}),
    "grey": (image_object((120, 80), GREY.tobytes(), "/ColorSpace /DeviceGray"), {}),
    "one_bit": (image_object((120, 80), _packed(ROUND), "/ColorSpace /DeviceGray", bits=1), {}),
    "indexed": (image_object((120, 80), _packed(ROUND), "/ColorSpace [/Indexed /DeviceRGB 1 <ff8000 0040a0>]", bits=1), {}),
    "cal_rgb": (
        image_object((120, 80), arrow().tobytes(), "/ColorSpace [/CalRGB << /WhitePoint [0.95 1 1.09] /Gamma [1 1 1] >>]"),
        {},
    ),
    "lab": (
        image_object((120, 80), arrow().tobytes(), "/ColorSpace [/Lab << /WhitePoint [0.95 1 1.09] /Range [-100 100 -100 100] >>]"),
        {},
    ),
    "soft_mask": (image_object((120, 80), arrow().tobytes(), "/ColorSpace /DeviceRGB /SMask 20 0 R"), {20: MASK_OBJECT}),
    "matte": (
        image_object((120, 80), BLENDED, "/ColorSpace /DeviceRGB /SMask 20 0 R"),
        {20: image_object((120, 80), MASK.tobytes(), "/ColorSpace /DeviceGray /Matte [0 0 0]")},
    ),
    "spot": (image_object((120, 80), GREY.tobytes(), f"/ColorSpace [/Separation /Spot /DeviceRGB {INK}]"), {}),
    "jpeg_of_a_spot": (jpeg_object(GREY, f"/ColorSpace [/Separation /Spot /DeviceRGB {INK}]"), {}),
    "jpeg_colour_key": (jpeg_object(arrow(), "/ColorSpace /DeviceRGB /Mask [100 140 160 200 220 255]"), {}),
    "jpeg_colour_transform": (jpeg_object(arrow(), "/ColorSpace /DeviceRGB /DecodeParms << /ColorTransform 0 >>"), {}),
    "sixteen_bit": (
        image_object((120, 80), np.repeat(np.asarray(arrow()), 2, axis=2).tobytes(), "/ColorSpace /DeviceRGB", bits=16),
        {},
    ),
    "small_mask": (
        image_object((120, 80), arrow().tobytes(), "/ColorSpace /DeviceRGB /SMask 20 0 R"),
        {20: image_object((12, 8), MASK.resize((12, 8)).tobytes(), "/ColorSpace /DeviceGray")},
    ),
    "small_base_large_mask": (image_object((1, 1), b"\xc8\0\0", "/ColorSpace /DeviceRGB /SMask 20 0 R"), {20: MASK_OBJECT}),
    "explicit_mask": (
        image_object((120, 80), arrow().tobytes(), "/ColorSpace /DeviceRGB /Mask 20 0 R"),
        {20: image_object((120, 80), _packed(ROUND), "/ImageMask true", bits=1)},
    ),
    "colour_key": (image_object((120, 80), arrow().tobytes(), "/ColorSpace /DeviceRGB /Mask [220 220 40 40 40 40]"), {}),
    "stencil": (image_object((120, 80), _packed(ROUND), "/ImageMask true", bits=1), {}),
    "stencil_inverted": (image_object((120, 80), _packed(ROUND), "/ImageMask true /Decode [1 0]", bits=1), {}),
    "jpeg_2000": (_jpx(), {}),
}


def taken(data: bytes, **bounds: object) -> list[PageImage]:
    return list(page_images(open_pdf(data, max_pages=100), type(BOUNDS)(**vars(BOUNDS) | bounds)))


def place(matrix: str) -> tuple[float, float, float, float]:
    """Where the unit square of a matrix of a page of 200 points lies as shown: left, top, right, bottom."""
    a, b, c, d, e, f = map(float, matrix.split())
    across, down = [e, a + e, c + e, a + c + e], [f, b + f, d + f, b + d + f]
    return min(across), 200 - max(down), max(across), 200 - min(down)


def difference(image: PageImage, data: bytes, area: tuple[float, float, float, float]) -> float:
    return float(np.abs(thumbnail(decode(image.data)) - thumbnail(rendered(data, area))).mean())


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_taken_out_as_the_page_shows_it(kind: str, turn: str) -> None:
    image, more = KINDS[kind]
    data = page(f"0.8 0.1 0.3 rg q {TURNS[turn]} cm /I Do Q", {"I": image}, more)
    (found,) = taken(data)
    assert not found.problem

    assert difference(found, data, place(TURNS[turn])) <= SHOWN
    assert (found.width > found.height) == (turn not in ("left", "right", "transposed", "transverse"))


@pytest.mark.parametrize("rotation", [90, 180, 270])
@pytest.mark.parametrize("kind", ["jpeg", "one_bit", "soft_mask", "stencil"])
def test_the_pages_own_rotation_turns_it(kind: str, rotation: int) -> None:
    image, more = KINDS[kind]
    data = page("q 120 0 0 80 40 60 cm /I Do Q", {"I": image}, more, keys=f"/Rotate {rotation}")
    (found,) = taken(data)
    assert difference(found, data, (40, 60, 160, 140) if rotation == 180 else (60, 40, 140, 160)) <= SHOWN


def _form(draws: str, resources: str) -> bytes:
    return stream(f"/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Resources << {resources} >>", draws.encode())


DRAWS = "0.8 0.1 0.3 rg q 120 0 0 80 20 60 cm /I Do Q"
INNER = "/XObject << /I 30 0 R >>"
TILE = "/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 200 200] /XStep 200 /YStep 200"
STAMP = "<< /Type /Annot /Subtype /Stamp /Rect [0 0 200 200] /F 4 /AP << /N 31 0 R >> >>"
WAYS: dict[str, Callable[[bytes, More], bytes]] = {
    "form": lambda image, more: page("/F Do", {"F": _form(DRAWS, INNER)}, more | {30: image}),
    "stamp": lambda image, more: page("", {}, more | {30: image, 31: _form(DRAWS, INNER), 32: STAMP}, keys="/Annots [32 0 R]"),
    "pattern": lambda image, more: page(
        "/Pattern cs /P scn 0 0 200 200 re f",
        {},
        more | {30: image, 31: stream(f"{TILE} /Resources << {INNER} >>", DRAWS.encode())},
        resources="/Pattern << /P 31 0 R >>",
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["jpeg", "soft_mask", "small_base_large_mask", "stencil", "colour_key", "one_bit"])
def test_it_does_not_matter_where_an_image_stands(kind: str, way: str) -> None:
    image, more = KINDS[kind]
    data = WAYS[way](image, more)
    (found,) = taken(data)
    assert difference(found, data, (20, 60, 140, 140)) <= SHOWN


LINEAR = {
    "jpeg": "/DefaultRGB [/CalRGB << /WhitePoint [0.95 1 1.09] /Gamma [1 1 1] >>]",
    "rgb": "/DefaultRGB [/CalRGB << /WhitePoint [0.95 1 1.09] /Gamma [1 1 1] >>]",
    "soft_mask": "/DefaultRGB [/CalRGB << /WhitePoint [0.95 1 1.09] /Gamma [1 1 1] >>]",
    "jpeg_grey": "/DefaultGray [/CalGray << /WhitePoint [0.95 1 1.09] /Gamma 1 >>]",
    "grey": "/DefaultGray [/CalGray << /WhitePoint [0.95 1 1.09] /Gamma 1 >>]",
}


@pytest.mark.parametrize("kind", LINEAR)
def test_what_the_page_says_instead_of_devices_colours_applies(kind: str) -> None:
    image, more = KINDS[kind]
    data = page(f"q {TURNS['upright']} cm /I Do Q", {"I": image}, more, resources=f"/ColorSpace << {LINEAR[kind]} >>")
    (found,) = taken(data)
    assert difference(found, data, place(TURNS["upright"])) <= SHOWN


@pytest.mark.parametrize("stated", [(120, 79), (120, 50), (60, 80), (120, 30)])
@pytest.mark.parametrize("turn", ["upright", "left"])
def test_of_a_jpeg_larger_than_the_pdf_says_what_a_viewer_shows_is_taken_out(stated: tuple[int, int], turn: str) -> None:
    stored = jpeg_object(arrow()).replace(b"/Width 120 /Height 80", b"/Width %d /Height %d" % stated)
    data = page(f"q {TURNS[turn]} cm /I Do Q", {"I": stored})
    (image,) = taken(data)
    assert (image.width, image.height) == (stated if turn == "upright" else stated[::-1])
    area = (20, 60, 140, 140) if turn == "upright" else (60, 60, 140, 180)
    assert np.abs(thumbnail(decode(image.data)) - thumbnail(rendered(data, area))).mean() <= SHOWN
