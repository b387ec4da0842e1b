"""Take the images out of a PDF: embedded bytes as they are where a browser can show them, else RGB PNG.

PyMuPDF is AGPL, so this module is the one place that imports it and the service can do without.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pymupdf

from quire.items.readers.jpeg import Unshowable, jpeg_size
from quire.items.readers.kinds import Bounds, Found, Source, kind_of

READ_ERRORS = (RuntimeError, ValueError, OSError, pymupdf.mupdf.FzErrorBase)  # what PyMuPDF raises for damaged data
CUT_SHORT = re.compile(r"truncated|premature|padding|ignoring|cannot|error", re.IGNORECASE)  # of MuPDF's warnings
RGB = {"colorspace": pymupdf.csRGB, "alpha": False}  # how pages are drawn
RGB_OR_GREY = ("DeviceRGB", "DeviceGray", "CalRGB", "CalGray", "ICCBased(RGB", "ICCBased(Gray")


class UnreadablePdf(ValueError):
    """The bytes are no PDF that can be read; the message says why."""


@dataclass(frozen=True)
class PageImage(Found):
    """An image of a page. `problem` says why there are no `data`."""

    page: int
    index: int


def read(data: bytes, bounds: Bounds) -> Iterator[Found]:
    """Yield what `page_images` finds; of a PDF that cannot be read, and of one without images, the reason."""
    images = 0
    try:
        document = open_pdf(data, bounds.max_pages)
        for image in page_images(document, bounds.source, bounds.dpi, bounds.max_pixels):
            images += 1
            repaired = "the PDF is damaged and was repaired on opening" if document.is_repaired else ""
            yield replace(image, note="; ".join(filter(None, (repaired, image.note))))
        if not images:
            yield Found(problem=f"no image on its pages{' (damaged, repaired on opening)' if document.is_repaired else ''}")
    except (UnreadablePdf, *READ_ERRORS) as error:
        yield Found(problem=str(error))


def open_pdf(data: bytes, max_pages: int) -> pymupdf.Document:
    """Open a PDF for reading. Raises UnreadablePdf for what is none, locked or longer than `max_pages`."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise UnreadablePdf("empty file")
    if kind_of(data) != "pdf":
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


def _rendered(document: pymupdf.Document, number: int, dpi: int, max_pixels: int) -> PageImage:
    try:
        page = document.load_page(number)
    except READ_ERRORS as error:
        return PageImage(number, 0, problem=f"damaged: {error}")
    place = PageImage(number, 0, *(round(side * dpi / 72) for side in page.rect[2:]))
    return _bounded(place, max_pixels, lambda: _as_png(place, page.get_pixmap(dpi=dpi, **RGB), f"the page drawn at {dpi} dpi"))


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
        place = PageImage(number, index, *entry[2:4])
        yield _bounded(place, max_pixels, partial(_image_object, document, place, entry[0]))
    for index, block in enumerate(others, start=len(listed)):
        place = PageImage(number, index, block["width"], block["height"])
        yield _bounded(place, max_pixels, partial(_image_block, place, blocks.get(block["number"])))
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


def _bounded(place: PageImage, max_pixels: int, take: Callable[[], PageImage]) -> PageImage:
    """What `take` gives at a place, unless that is damaged, or too large: as the PDF says or, of a JPEG, in truth."""
    try:
        image = take() if _fits(place, max_pixels) else place
    except READ_ERRORS as error:
        return replace(place, problem=f"damaged: {error}")
    if _fits(image, max_pixels):
        return image
    problem = f"{image.width} x {image.height} pixels, over the limit of {max_pixels}"
    return replace(image, extension="", data=b"", note="", problem=problem)


def _fits(image: PageImage, max_pixels: int) -> bool:
    return image.width * image.height <= max_pixels


def _as_png(place: PageImage, pixels: pymupdf.Pixmap, note: str) -> PageImage:
    return replace(place, width=pixels.width, height=pixels.height, extension="png", data=pixels.tobytes("png"), note=note)


def _image_block(place: PageImage, data: bytes | None) -> PageImage:
    rgb = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.Pixmap(data))
    return _as_png(place, rgb, "drawn as RGB PNG: no image object of the page")


def _image_object(document: pymupdf.Document, place: PageImage, xref: int) -> PageImage:
    try:
        _refuse_remapped(document, xref)
        stored = document.extract_image(xref)
        if stored.get("ext") != "jpeg" or not stored["cs-name"].startswith(RGB_OR_GREY):
            raise Unshowable(f"its colours are {stored.get('cs-name', 'unknown')}")
        width, height = jpeg_size(stored["image"])
    except Unshowable as error:
        return _drawn_alone(document, place, xref, f"drawn as RGB PNG: {error}")
    return replace(place, width=width, height=height, extension="jpg", data=stored["image"])


def _refuse_remapped(document: pymupdf.Document, xref: int) -> None:
    """Raise Unshowable for what is not stored as JPEG, or where the PDF shows other colours than the stored bytes."""
    filters, decode, parameters = (document.xref_get_key(xref, key)[1] for key in ("Filter", "Decode", "DecodeParms"))
    decode_array = [float(value) for value in re.findall(r"[-+.\d]+", decode)]
    if any(document.xref_get_key(xref, key)[0] != "null" for key in ("SMask", "Mask")):
        raise Unshowable("it has a mask")
    if decode_array != [0.0, 1.0] * (len(decode_array) // 2):
        raise Unshowable("it has a Decode array")
    if "ColorTransform" in parameters:
        raise Unshowable("it has a colour transform")
    if "DCTDecode" not in filters:
        raise Unshowable("it is not stored as JPEG")


def _drawn_alone(document: pymupdf.Document, place: PageImage, xref: int, note: str) -> PageImage:
    """The image drawn on a white page of its own size, as a viewer does: masks, colour spaces, every filter."""
    pymupdf.TOOLS.reset_mupdf_warnings()
    page = document.new_page(width=place.width, height=place.height)
    page.insert_image(page.rect, xref=xref)
    pixels = page.get_pixmap(**RGB)
    warning = next((line for line in pymupdf.TOOLS.mupdf_warnings().splitlines() if CUT_SHORT.search(line)), "")
    return replace(place, problem=f"damaged: {warning}") if warning else _as_png(place, pixels, note)
