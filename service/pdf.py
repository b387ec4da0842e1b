"""Take the images out of a PDF: embedded bytes as they are where a browser can show them, else RGB PNG.

PyMuPDF is AGPL, so this module is the one place that imports it and the service can do without.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pymupdf
from PIL import Image

from service.decode import decode

Source = Literal["embedded", "page"]
READ_ERRORS = (RuntimeError, ValueError, OSError, pymupdf.mupdf.FzErrorBase)  # what PyMuPDF raises for damaged data
RGB_OR_GREY = ("DeviceRGB", "DeviceGray", "CalRGB", "CalGray", "ICCBased(RGB", "ICCBased(Gray")


class UnreadablePdf(ValueError):
    """The bytes are no PDF that can be read; the message says why."""


@dataclass(frozen=True)
class PageImage:
    """An image of a page, both counters from 0. `problem` says why there are no `data`."""

    page: int
    index: int
    width: int = 0
    height: int = 0
    extension: str = ""
    data: bytes = b""
    problem: str = ""


def open_pdf(data: bytes, max_pages: int) -> pymupdf.Document:
    """Open a PDF for reading. Raises UnreadablePdf for what is none, locked or longer than `max_pages`."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise UnreadablePdf("empty file")
    if b"%PDF-" not in data[:1024]:
        raise UnreadablePdf("not a PDF: no %PDF- in its first 1024 bytes")
    try:
        document = pymupdf.open(stream=data, filetype="pdf")
    except READ_ERRORS as error:
        raise UnreadablePdf(f"damaged: {error}") from error
    if document.needs_pass:
        raise UnreadablePdf("encrypted: it needs a password")
    if document.page_count > max_pages:
        raise UnreadablePdf(f"{document.page_count} pages, over the limit of {max_pages}")
    return document


def page_images(document: pymupdf.Document, source: Source, dpi: int, max_pixels: int) -> Iterator[PageImage]:
    """Yield every image of every page, in order; what cannot be taken out is yielded with its problem.

    `source` "embedded" takes the images that a page draws, "page" renders the whole page at `dpi`.
    The document is left with blank pages at its end: do not save it.
    """
    for page in range(document.page_count):
        if source == "page":
            yield _rendered(document, page, dpi, max_pixels)
        else:
            yield from _embedded(document, page, max_pixels)


def is_repeat(hashes: list[str]) -> bool:
    """Whether the last image of a document repeats the first: there are several, and their contents are equal."""
    return len(hashes) > 1 and hashes[0] == hashes[-1]


def _rendered(document: pymupdf.Document, page: int, dpi: int, max_pixels: int) -> PageImage:
    try:
        width, height = (round(side * dpi / 72) for side in document.load_page(page).rect[2:])
        if width * height > max_pixels:
            return PageImage(page, 0, width, height, problem=_too_large(width, height, max_pixels))
        pixels = document.load_page(page).get_pixmap(dpi=dpi, colorspace=pymupdf.csRGB, alpha=False)
        return PageImage(page, 0, pixels.width, pixels.height, "png", pixels.tobytes("png"))
    except READ_ERRORS as error:
        return PageImage(page, 0, problem=f"damaged: {error}")


def _embedded(document: pymupdf.Document, number: int, max_pixels: int) -> Iterator[PageImage]:
    try:
        page = document.load_page(number)
        content: bytes = page.read_contents()
        listed, inline = _drawn(page, content), _inline(page, content)
    except READ_ERRORS as error:
        yield PageImage(number, 0, problem=f"damaged: {error}")
        return
    for index, entry in enumerate(listed):
        yield _image_object(document, number, index, entry, max_pixels)
    for index, (width, height, data) in enumerate(inline, start=len(listed)):
        yield PageImage(number, index, width, height, "png", data)


def _drawn(page: pymupdf.Page, content: bytes) -> list[tuple[Any, ...]]:
    """The entries of `Page.get_images` that the page draws, itself or by a form that it draws.

    Some producers give all pages one list of resources, so that each page lists the images of all.
    """
    entries = page.get_images(full=True)
    names = {0: _names_drawn(content)}  # by the xref of the form that draws them, 0 for the page
    forms = page.get_xobjects() if any(entry[9] for entry in entries) else []
    for _ in forms:  # a form that a drawn form draws is drawn, to any depth
        for xref, name, parent, _box in forms:
            if xref not in names and name in names.get(parent, ()):
                names[xref] = _names_drawn(page.parent.xref_stream(xref) or b"")
    return [entry for entry in entries if entry[7] in names.get(entry[9], ())]


def _names_drawn(content: bytes) -> set[str]:
    """The names before each `Do` of a content stream; `#20` in a name is its byte in hexadecimal (PDF 1.7, 7.3.5)."""
    names = re.findall(rb"/([^\s()<>\[\]{}/%]+)\s+Do\b", content)
    return {re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), name).decode("utf-8", "replace") for name in names}


def _inline(page: pymupdf.Page, content: bytes) -> list[tuple[int, int, bytes]]:
    """Images that stand in the content stream itself (BI … ID … EI), as PNG."""
    if not re.search(rb"\bBI\b.*?\bID\b", content, re.DOTALL):
        return []
    numbers = [info["number"] for info in page.get_image_info(xrefs=True) if info["xref"] == 0]
    blocks = {block["number"]: block for block in page.get_text("dict")["blocks"] if block["type"] == 1}
    return [_as_png(pymupdf.Pixmap(blocks[number]["image"])) for number in numbers if number in blocks]


def _as_png(pixels: pymupdf.Pixmap) -> tuple[int, int, bytes]:
    rgb = pymupdf.Pixmap(pymupdf.csRGB, pixels)
    return rgb.width, rgb.height, rgb.tobytes("png")


def _image_object(document: pymupdf.Document, page: int, index: int, entry: tuple[Any, ...], max_pixels: int) -> PageImage:
    xref, width, height = entry[0], entry[2], entry[3]
    if width * height > max_pixels:
        return PageImage(page, index, width, height, problem=_too_large(width, height, max_pixels))
    try:
        stored = _displayable_jpeg(document, xref, max_pixels)
        if stored:
            return PageImage(page, index, *stored[0], "jpg", stored[1])
        return PageImage(page, index, width, height, "png", _drawn_alone(document, xref, width, height))
    except READ_ERRORS as error:
        return PageImage(page, index, width, height, problem=f"damaged: {error}")


def _displayable_jpeg(document: pymupdf.Document, xref: int, max_pixels: int) -> tuple[tuple[int, int], bytes] | None:
    """Size and bytes of an embedded JPEG that looks the same outside the PDF: no mask, no remapping, RGB or grey."""
    if "DCTDecode" not in document.xref_get_key(xref, "Filter")[1] or _remapped(document, xref):
        return None
    stored = document.extract_image(xref)
    if stored.get("ext") != "jpeg" or not stored["cs-name"].startswith(RGB_OR_GREY):
        return None
    data: bytes = stored["image"]
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as header:
        if header.mode not in ("RGB", "L"):
            return None
        if not data.rstrip(b"\0\r\n").endswith(b"\xff\xd9"):  # no end marker: cut short, or only sloppily written?
            decode(data, max_pixels)
        return header.size, data


def _remapped(document: pymupdf.Document, xref: int) -> bool:
    """Whether the PDF shows other colours than the stored bytes: by a mask, a Decode array or a colour transform."""
    masked = any(document.xref_get_key(xref, key)[0] != "null" for key in ("SMask", "Mask"))
    decode_array = [float(value) for value in re.findall(r"[-+.\d]+", document.xref_get_key(xref, "Decode")[1])]
    identity = decode_array == [0.0, 1.0] * (len(decode_array) // 2)
    return masked or not identity or "ColorTransform" in document.xref_get_key(xref, "DecodeParms")[1]


def _drawn_alone(document: pymupdf.Document, xref: int, width: int, height: int) -> bytes:
    """The image drawn on a white page of its own size, as a viewer does: masks, colour spaces, every filter."""
    page = document.new_page(width=width, height=height)
    page.insert_image(page.rect, xref=xref)
    data: bytes = page.get_pixmap(colorspace=pymupdf.csRGB, alpha=False).tobytes("png")
    return data


def _too_large(width: int, height: int, max_pixels: int) -> str:
    return f"{width} x {height} pixels, over the limit of {max_pixels}"
