"""PDFs are read by processes of their own, within bounds of the service's."""

import asyncio
import zlib
from collections.abc import Iterator

import pytest

from quire.demo.images import pdf
from service.errors import STATUS, Refused
from service.pdf import PdfReader
from service.settings import Settings
from tests.conftest import Encode
from tests.quire.items.readers.drawn import image_object, page, stream

INLINE = b"q 10 0 0 10 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q\n"


@pytest.fixture(scope="module")
def reader() -> Iterator[PdfReader]:
    reader = PdfReader(Settings(max_seconds=4, max_memory=150, max_pixels=40_000_000, max_pdf_images=20))
    yield reader
    reader.pool.stop()
    reader.pool.join()


def refusal(reader: PdfReader, data: bytes) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        asyncio.run(reader.read(data))
    return STATUS[refused.value.code], refused.value.message


def many(count: int) -> bytes:
    """A PDF of a few kB that draws so many images."""
    return page("", {}).replace(stream("", b""), stream("/Filter /FlateDecode", zlib.compress(INLINE * count, 9)))


def test_a_small_pdf_of_many_images_is_too_large_and_the_bound_is_named(reader: PdfReader) -> None:
    data = many(20_000)
    assert len(data) < 5_800
    assert refusal(reader, data) == (413, "more than 20 images, which is the limit of one PDF (QUIRE_MAX_PDF_IMAGES)")
    small = "too_small", "1 x 1 pixels, a side under the minimum of 16"
    assert [(image.code, image.problem) for image, _ in asyncio.run(reader.read(many(20)))] == [small] * 20


def test_a_pdf_that_needs_too_much_memory_says_so_for_that_image(reader: PdfReader, make_image: Encode) -> None:
    side = 6300
    large = image_object((side, side), bytes(4 * side * side), "/ColorSpace /DeviceCMYK")
    small = image_object((20, 20), bytes(400), "/ColorSpace /DeviceGray")
    found = asyncio.run(reader.read(page("q 90 0 0 90 0 0 cm /I Do /J Do Q", {"I": large, "J": small})))
    assert [(image.code, image.problem) for image, _ in found] == [
        ("too_large", "it needs more memory than the limit of 150 MB"),
        ("", ""),
    ]


def endless() -> bytes:
    """A PDF of 1 kB whose content is 10 GB of blanks: MuPDF reads it for a minute, and all in one call."""
    blanks = b" " * 10_000_000
    for _ in range(3):
        blanks = zlib.compress(blanks, 9)
    content = stream("/Filter [/FlateDecode /FlateDecode /FlateDecode]", blanks)
    return page("", {}, {20: content}).replace(b"/Contents 4 0 R", b"/Contents [" + b"20 0 R " * 1000 + b"]")


def test_a_pdf_that_hangs_is_stopped_and_holds_up_no_other(reader: PdfReader, make_image: Encode) -> None:
    async def both() -> bool:
        hanging = asyncio.create_task(reader.read(endless()))
        await asyncio.sleep(0.1)
        ((image, _),) = await reader.read(pdf([make_image()]))
        assert image.data == make_image()
        goes_on = not hanging.done()
        with pytest.raises(Refused, match="not read within 4 s"):
            await hanging
        return goes_on

    assert asyncio.run(both())
