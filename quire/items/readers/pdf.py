"""Take the images out of a PDF: embedded bytes as they are where a browser can show them, else RGB PNG.

PyMuPDF is AGPL, so this module is the one place that imports it and the service can do without.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pymupdf
from PIL import Image, ImageFile

from quire.decode import DAMAGE

Source = Literal["embedded", "page"]
READ_ERRORS = (RuntimeError, ValueError, OSError, pymupdf.mupdf.FzErrorBase)  # what PyMuPDF raises for damaged data
CUT_SHORT = re.compile(r"truncated|premature|padding|ignoring|cannot|error", re.IGNORECASE)  # of MuPDF's warnings
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


def is_pdf(data: bytes) -> bool:
    """Whether the bytes begin as a PDF does, perhaps after some junk, as viewers allow."""
    return b"%PDF-" in data[:1024]


def open_pdf(data: bytes, max_pages: int) -> pymupdf.Document:
    """Open a PDF for reading. Raises UnreadablePdf for what is none, locked or longer than `max_pages`."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise UnreadablePdf("empty file")
    if not is_pdf(data):
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
    pymupdf.TOOLS.reset_mupdf_warnings()
    try:
        page = document.load_page(number)
        listed, others = _on_page(page)
        taken = [block for block in others if block["width"] * block["height"] <= max_pixels]
        blocks = _blocks(page, [block["number"] for block in taken])
    except READ_ERRORS as error:
        yield PageImage(number, 0, problem=f"damaged: {error}")
        return
    for index, entry in enumerate(listed):
        yield _image_object(document, number, index, entry, max_pixels)
    for index, block in enumerate(others, start=len(listed)):
        yield _image_block(number, index, block, blocks.get(block["number"]), max_pixels)
    warnings = pymupdf.TOOLS.mupdf_warnings().splitlines()
    if warnings and not listed and not others:
        yield PageImage(number, 0, problem=f"damaged: {warnings[0]}")


def _on_page(page: pymupdf.Page) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
    """What a page draws: the image objects among `Page.get_images`, and what is drawn in any other way.

    Some producers give all pages one list of resources, so that each page lists the images of all: only what is
    drawn counts. A plain page names each image in its content; only for others MuPDF is asked what it draws,
    which takes as long as all the rest.
    """
    content: bytes = page.read_contents()
    entries, names = page.get_images(full=True), _names_drawn(content)
    listed = [entry for entry in entries if entry[9] == 0 and entry[7] in names]
    plain = names and names == {entry[7] for entry in listed} and not re.search(rb"\bBI\s|\bscn\b|\bSCN\b", content)
    if plain and page.parent.xref_get_key(page.xref, "Annots")[0] == "null":
        return listed, []
    drawn = page.get_image_info(xrefs=True)
    xrefs = {info["xref"] for info in drawn}
    listed = [entry for entry in entries if entry in listed or entry[0] in xrefs]
    known = {entry[0] for entry in listed}
    return listed, [info for info in drawn if info["xref"] not in known]


def _names_drawn(content: bytes) -> set[str]:
    """The names before each `Do` of a content stream; `#20` in a name is its byte in hexadecimal (PDF 1.7, 7.3.5)."""
    names = re.findall(rb"/([^\s()<>\[\]{}/%]+)\s+Do\b", content)
    return {re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), name).decode("utf-8", "replace") for name in names}


def _blocks(page: pymupdf.Page, numbers: list[int]) -> dict[int, bytes]:
    """The encoded images of what is drawn without being an image object: inline, in patterns, in annotations."""
    if not numbers:
        return {}
    return {block["number"]: block["image"] for block in page.get_text("dict")["blocks"] if block["number"] in numbers}


def _image_block(page: int, index: int, info: dict[str, Any], data: bytes | None, max_pixels: int) -> PageImage:
    width, height = info["width"], info["height"]
    if width * height > max_pixels:
        return PageImage(page, index, width, height, problem=_too_large(width, height, max_pixels))
    try:
        rgb = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.Pixmap(data))
        return PageImage(page, index, rgb.width, rgb.height, "png", rgb.tobytes("png"))
    except READ_ERRORS as error:
        return PageImage(page, index, width, height, problem=f"damaged: {error}")


def _image_object(document: pymupdf.Document, page: int, index: int, entry: tuple[Any, ...], max_pixels: int) -> PageImage:
    xref, width, height = entry[0], entry[2], entry[3]
    if width * height > max_pixels:
        return PageImage(page, index, width, height, problem=_too_large(width, height, max_pixels))
    try:
        stored = _displayable_jpeg(document, xref)
        if not stored:
            return _drawn_alone(document, page, index, entry)
        (width, height), data = stored
        if width * height > max_pixels:  # a JPEG may be larger than the PDF says
            return PageImage(page, index, width, height, problem=_too_large(width, height, max_pixels))
        return PageImage(page, index, width, height, "jpg", data)
    except READ_ERRORS as error:
        return PageImage(page, index, width, height, problem=f"damaged: {error}")


def _displayable_jpeg(document: pymupdf.Document, xref: int) -> tuple[tuple[int, int], bytes] | None:
    """Size and bytes of an embedded JPEG that looks the same outside the PDF: whole, no mask, no remapping, RGB or grey."""
    if "DCTDecode" not in document.xref_get_key(xref, "Filter")[1] or _remapped(document, xref):
        return None
    stored = document.extract_image(xref)
    if stored.get("ext") != "jpeg" or not stored["cs-name"].startswith(RGB_OR_GREY):
        return None
    data: bytes = stored["image"]
    if not data.startswith(b"\xff\xd8") or not data.rstrip(b"\0\r\n").endswith(b"\xff\xd9"):
        return None
    try:
        with Image.open(io.BytesIO(data[: data.find(b"\xff\xda") + 256]), formats=("JPEG",)) as head:
            size, mode = head.size, head.mode
            return (size, data) if mode in ("RGB", "L") and _decodes(head) else None
    except DAMAGE:
        return None


def _decodes(head: ImageFile.ImageFile) -> bool:
    """Whether the decoder takes a JPEG's tables and first rows; to decode all of it would take as long as all the rest."""
    head.draft("L", (1, 1))
    try:
        head.load()
    except OSError as error:
        return "truncated" in str(error)  # which it is: the rest was left out
    return True


def _remapped(document: pymupdf.Document, xref: int) -> bool:
    """Whether the PDF shows other colours than the stored bytes: by a mask, a Decode array or a colour transform."""
    masked = any(document.xref_get_key(xref, key)[0] != "null" for key in ("SMask", "Mask"))
    decode_array = [float(value) for value in re.findall(r"[-+.\d]+", document.xref_get_key(xref, "Decode")[1])]
    identity = decode_array == [0.0, 1.0] * (len(decode_array) // 2)
    return masked or not identity or "ColorTransform" in document.xref_get_key(xref, "DecodeParms")[1]


def _drawn_alone(document: pymupdf.Document, number: int, index: int, entry: tuple[Any, ...]) -> PageImage:
    """The image drawn on a white page of its own size, as a viewer does: masks, colour spaces, every filter."""
    xref, width, height = entry[0], entry[2], entry[3]
    pymupdf.TOOLS.reset_mupdf_warnings()
    page = document.new_page(width=width, height=height)
    page.insert_image(page.rect, xref=xref)
    pixels = page.get_pixmap(colorspace=pymupdf.csRGB, alpha=False)
    warning = next((line for line in pymupdf.TOOLS.mupdf_warnings().splitlines() if CUT_SHORT.search(line)), "")
    if warning:
        return PageImage(number, index, width, height, problem=f"damaged: {warning}")
    return PageImage(number, index, width, height, "png", pixels.tobytes("png"))


def _too_large(width: int, height: int, max_pixels: int) -> str:
    return f"{width} x {height} pixels, over the limit of {max_pixels}"
