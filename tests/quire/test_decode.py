import io

import numpy as np
import pytest
from PIL import Image

from quire.decode import UndecodableImage, decode
from tests.conftest import Encode


@pytest.mark.parametrize(
    ("encoding", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("WEBP", "RGB")],
)
def test_every_mode_becomes_rgb(make_image: Encode, encoding: str, mode: str) -> None:
    image = decode(make_image(encoding, mode=mode))
    assert (image.mode, image.size) == ("RGB", (48, 32))


def test_transparency_lies_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(buffer, "PNG")
    assert decode(buffer.getvalue()).getpixel((0, 0)) == (255, 255, 255)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(buffer, "PNG")
    assert decode(buffer.getvalue()).getpixel((0, 0)) == (128, 128, 128)


def test_exif_orientation_is_honoured(make_image: Encode) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    assert decode(make_image(size=(48, 32), exif=exif)).size == (32, 48)


@pytest.mark.parametrize("data", [b"a text file", b"%PDF-1.7", b"BM\1\0\1\0", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(UndecodableImage, match="not a JPEG, PNG, WebP, AVIF, HEIC or GIF image"):
        decode(data)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP"])
def test_truncated_data_are_refused(make_image: Encode, encoding: str) -> None:
    data = make_image(encoding, size=(200, 200))
    with pytest.raises(UndecodableImage):
        decode(data[: len(data) // 2])


def test_a_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (9000, 9000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 200_000
    with pytest.raises(UndecodableImage, match="9000 x 9000 pixels, over the limit"):
        decode(buffer.getvalue())
