import subprocess
import sys

import pytest

from quire.demo.images import pdf
from quire.items.readers.kinds import Bounds, Found, Kind, kind_of, read
from tests.conftest import Encode

BOUNDS = Bounds("embedded", 72, max_pages=50, max_pixels=10_000, min_side=1, max_images=100, max_bytes=10**7, max_memory=512)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image_file"),
        (b"\x89PNG\r\n\x1a\n", "image_file"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image_file"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"%PDF-1.7", "pdf"),
        (b"\n" * 1000 + b"%PDF-1.7", "pdf"),
        (b"\n" * 1024 + b"%PDF-1.7", None),
        (b"\xff\xd8\xff\xe0 %PDF-", "image_file"),
        (b"GIF89a", "image_file"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "image_file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image_file"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "image_file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", None),
        (b"II*\0", None),
        (b"", None),
    ],
)
def test_the_content_tells_the_kind(head: bytes, kind: Kind | None) -> None:
    assert kind_of(head) == kind


def test_each_kind_has_its_reader(make_image: Encode) -> None:
    stored = make_image()
    assert list(read(stored, BOUNDS)) == [Found(width=48, height=32, extension="jpg", data=stored)]
    assert [(found.page, found.index, found.data) for found in read(pdf([stored]), BOUNDS)] == [(0, 0, stored)]
    assert list(read(b"", BOUNDS)) == [Found(problem="empty file")]
    assert list(read(b"text", BOUNDS)) == [Found(problem="neither a PDF nor a JPEG, PNG, WebP, AVIF, HEIC or GIF image")]


def test_the_size_of_an_image_file_is_that_of_the_upright_image(make_image: Encode) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    (found,) = read(make_image(exif=exif), BOUNDS)
    assert (found.width, found.height) == (32, 48)


def test_only_an_item_has_a_key(make_image: Encode) -> None:
    large, whole = make_image(size=(200, 100)), make_image()
    answers = {large: True, whole: True, pdf([large]): True, pdf([None]): False, b"text": False}
    assert {data: [found.is_item for found in read(data, BOUNDS)] for data in answers} == {
        data: [is_item] for data, is_item in answers.items()
    }


def test_images_are_read_without_pymupdf() -> None:
    """It is AGPL: a service for images alone must do without."""
    modules = "from quire.items.readers import image_file, kinds"
    code = f"import sys; sys.modules['pymupdf'] = None; {modules}; print(kinds.kind_of(b'%PDF-'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "pdf\n"
