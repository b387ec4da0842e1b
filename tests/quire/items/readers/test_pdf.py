import io
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

from quire.decode import decode
from quire.demo.images import pdf
from quire.items.readers.pdf import PageImage, UnreadablePdf, open_pdf, page_images
from tests.conftest import Encode
from tests.quire.items.readers.drawn import BOUNDS


def images_of(data: bytes, **bounds: object) -> list[PageImage]:
    return list(page_images(open_pdf(data, max_pages=100), type(BOUNDS)(**vars(BOUNDS) | bounds)))


def pdf_with_object(keys: dict[str, str], stream: bytes, size: tuple[int, int], content: bytes = b"/Im Do") -> bytes:
    """A PDF of one page with a hand-made image object, for what no library writes."""
    document = pymupdf.open()
    page, xref = document.new_page(width=size[0], height=size[1]), document.get_new_xref()
    document.update_object(xref, f"<</Type/XObject/Subtype/Image/Width {size[0]}/Height {size[1]}>>")
    document.update_stream(xref, stream, compress=False)
    for key, value in keys.items():
        document.xref_set_key(xref, key, value)
    document.xref_set_key(page.xref, "Resources", f"<</XObject<</Im {xref} 0 R>>>>")
    contents = document.get_new_xref()
    document.update_object(contents, "<<>>")
    document.update_stream(contents, b"q %d 0 0 %d 0 0 cm %b Q" % (*size, content))
    page.set_contents(contents)
    return bytes(document.tobytes())


def test_an_embedded_jpeg_keeps_its_bytes(make_image: Encode) -> None:
    stored = make_image("JPEG")
    (image,) = images_of(pdf([stored]))
    assert (image.extension, image.width, image.height) == ("jpg", 48, 32)
    assert image.data == stored


def test_a_grey_jpeg_keeps_its_bytes(make_image: Encode) -> None:
    stored = make_image("JPEG", mode="L")
    assert images_of(pdf([stored]))[0].data == stored


def test_cmyk_becomes_rgb_png(make_image: Encode) -> None:
    (image,) = images_of(pdf([make_image("JPEG", mode="CMYK", quality=95)]))
    with Image.open(io.BytesIO(image.data)) as taken:
        assert (taken.format, taken.mode) == ("PNG", "RGB")
    difference = np.asarray(decode(image.data), int) - np.asarray(decode(make_image("JPEG")), int)
    assert np.abs(difference).mean() < 40  # the inks' profile shifts colours; an inverted image is off by far more


def test_a_lossless_image_keeps_every_pixel(make_image: Encode) -> None:
    stored = make_image("PNG", size=(301, 203))
    (image,) = images_of(pdf([stored]))
    assert image.extension == "png"
    assert np.array_equal(np.asarray(decode(image.data)), np.asarray(decode(stored)))


def test_a_soft_mask_lies_on_white() -> None:
    half = np.zeros((10, 20, 4), np.uint8)
    half[:, 10:, 3] = 255  # left half transparent, right half black
    buffer = io.BytesIO()
    Image.fromarray(half).save(buffer, "PNG")
    (image,) = images_of(pdf([buffer.getvalue()]))
    pixels = np.asarray(decode(image.data))
    assert pixels[:, :10].min() == 255
    assert pixels[:, 10:].max() == 0


def test_a_jpeg_that_the_pdf_inverts_is_drawn_inverted(make_image: Encode) -> None:
    stored = make_image("JPEG", mode="L", quality=95)
    keys = {"Filter": "/DCTDecode", "ColorSpace": "/DeviceGray", "BitsPerComponent": "8", "Decode": "[1 0]"}
    (image,) = images_of(pdf_with_object(keys, stored, (48, 32)))
    assert image.extension == "png"
    assert np.abs(255 - np.asarray(decode(stored), int) - np.asarray(decode(image.data))).max() <= 2


def test_a_truncated_jpeg_is_a_problem_not_a_file(make_image: Encode) -> None:
    stored = make_image("JPEG", size=(200, 200))[:-400]
    keys = {"Filter": "/DCTDecode", "ColorSpace": "/DeviceRGB", "BitsPerComponent": "8"}
    (image,) = images_of(pdf_with_object(keys, stored, (200, 200)))
    assert not image.data
    assert image.problem == "damaged: image file is truncated: only 159 of 200 rows are there"


def test_an_inline_image_is_taken(make_image: Encode) -> None:
    pixels = b"BI /W 2 /H 2 /CS /RGB /BPC 8 ID " + bytes(range(0, 120, 10)) + b" EI"
    document = pymupdf.open()
    page, xref = document.new_page(), document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, b"q 100 0 0 100 0 0 cm " + pixels + b" Q")
    page.set_contents(xref)
    (image,) = images_of(document.tobytes())
    assert np.asarray(decode(image.data)).ravel().tolist() == list(range(0, 120, 10))


def test_resources_shared_by_all_pages_give_each_page_its_own_image(make_image: Encode) -> None:
    """As FPDF writes them: one dictionary for the document, so that each page lists every image."""
    document = pymupdf.open(stream=pdf([make_image(seed=1), make_image(seed=2)]), filetype="pdf")
    names = [document[number].get_images()[0] for number in (0, 1)]
    shared = "".join(f"/P{number} {entry[0]} 0 R" for number, entry in enumerate(names))
    for number in (0, 1):
        document.xref_set_key(document[number].xref, "Resources", f"<</XObject<<{shared}>>>>")
        document.update_stream(document[number].get_contents()[-1], b"q 48 0 0 32 0 0 cm /P%d Do Q" % number)
    taken = images_of(document.tobytes())
    assert [(image.page, image.index) for image in taken] == [(0, 0), (1, 0)]
    assert [image.data for image in taken] == [make_image(seed=1), make_image(seed=2)]


def test_an_image_inside_a_form_is_taken(make_image: Encode) -> None:
    inner = pymupdf.open(stream=pdf([make_image(seed=4)]), filetype="pdf")
    outer = pymupdf.open()
    outer.new_page().show_pdf_page(pymupdf.Rect(0, 0, 48, 32), inner, 0)
    assert [image.data for image in images_of(outer.tobytes())] == [make_image(seed=4)]


def test_too_many_pixels_are_a_problem_of_that_image_alone(make_image: Encode) -> None:
    large, small = images_of(pdf([make_image(size=(300, 200)), make_image()]), max_pixels=50_000)
    assert large.problem == "300 x 200 pixels, over the limit of 50000"
    assert small.data


def test_a_page_can_be_rendered_whole(make_image: Encode) -> None:
    document = open_pdf(pdf([make_image(), None]), max_pages=2)
    pages = list(page_images(document, replace(BOUNDS, source="page", dpi=144)))
    assert [(page.page, page.width, page.height) for page in pages] == [(0, 96, 64), (1, 600, 400)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"text", "not a PDF"),
        (b"%PDF-1.4\nnothing", "damaged"),
        (pdf([None] * 3), "3 pages, over the limit of 2"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePdf, match=reason):
        open_pdf(data, max_pages=2)


def test_real_images_are_byte_for_byte_those_in_the_pdf(real_pdfs: Path) -> None:
    for path in real_pdfs.glob("*.pdf"):
        document = pymupdf.open(path)
        raw = [document.xref_stream_raw(page.get_images()[0][0]) for page in document]
        assert [image.data for image in images_of(path.read_bytes())] == raw


def test_of_a_jpeg_larger_than_the_pdf_says_no_more_is_decoded_than_is_shown(make_image: Encode) -> None:
    keys = {"Filter": "/DCTDecode", "ColorSpace": "/DeviceRGB", "BitsPerComponent": "8"}
    (image,) = images_of(pdf_with_object(keys, make_image(size=(400, 300)), (6, 4)), max_pixels=100_000)
    assert (image.problem, image.width, image.height, image.extension) == ("", 6, 4, "png")


def test_a_large_inline_image_is_a_problem_before_it_is_decoded() -> None:
    content = b"/Im Do Q q BI /W 400 /H 300 /CS /G /BPC 8 ID " + bytes(400 * 300) + b" EI"
    keys = {"ColorSpace": "/DeviceGray", "BitsPerComponent": "8"}
    small, large = images_of(pdf_with_object(keys, bytes(8), (4, 2), content), max_pixels=100_000)
    assert small.data
    assert large.problem == "400 x 300 pixels, over the limit of 100000"


def test_a_jpeg_that_no_decoder_takes_is_a_problem(make_image: Encode) -> None:
    stored = bytearray(make_image())
    stored[stored.index(b"\xff\xdb") + 4] = 9  # a quantisation table of a number that does not exist
    keys = {"Filter": "/DCTDecode", "ColorSpace": "/DeviceRGB", "BitsPerComponent": "8"}
    (image,) = images_of(pdf_with_object(keys, bytes(stored), (48, 32)))
    assert "a decoder refuses it" in image.problem


def test_junk_around_a_jpeg_makes_it_a_png(make_image: Encode) -> None:
    keys = {"Filter": "/DCTDecode", "ColorSpace": "/DeviceRGB", "BitsPerComponent": "8"}
    (image,) = images_of(pdf_with_object(keys, b"\r\n" + make_image(), (48, 32)))
    assert image.extension == "png"


def test_cut_lossless_data_are_a_problem(make_image: Encode) -> None:
    pixels = zlib.compress(np.random.default_rng(0).bytes(48 * 32 * 3))
    keys = {"Filter": "/FlateDecode", "ColorSpace": "/DeviceRGB", "BitsPerComponent": "8"}
    (image,) = images_of(pdf_with_object(keys, pixels[: len(pixels) // 2], (48, 32)))
    assert image.problem.startswith("damaged: ")


def test_what_a_page_draws_by_odd_means_is_not_lost(make_image: Encode) -> None:
    """A comment between name and operator, and a name with a byte beyond ASCII: found by asking what is drawn."""
    keys = {"Filter": "/DCTDecode", "ColorSpace": "/DeviceRGB", "BitsPerComponent": "8"}
    (image,) = images_of(pdf_with_object(keys, make_image(), (48, 32), b"/Im % a comment\nDo"))
    assert image.data == make_image()
