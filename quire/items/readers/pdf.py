"""Take the images out of a PDF, each as the page shows it: embedded bytes as they are where they show the same, else a PNG.

PyMuPDF is AGPL, so that the modules `pdf*.py` are the only ones that import it and the service can do without.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import pymupdf

from quire.items.readers.kinds import Bounds, Code, Found, kind_of
from quire.items.readers.limits import MemoryBound, is_no_memory, within_memory
from quire.items.readers.pdf_image import Taken, as_png, from_page, taken, upright_pixels
from quire.items.readers.pdf_tiles import pieces, size_of
from quire.items.readers.pdf_walk import walk

STORE = 50  # per cent of MuPDF's own cache that are kept from one page to the next


class UnreadablePdf(ValueError):
    """The bytes are no PDF that can be read; the message says why."""


class NoPdf(UnreadablePdf):
    """The bytes are another thing than a PDF."""


@dataclass(frozen=True)
class PageImage(Found):
    """An image of a page. `problem` says why there are no `data`."""

    page: int
    index: int


def read(data: bytes, bounds: Bounds) -> Iterator[Found]:
    """Yield what `page_images` finds; of a PDF that cannot be read, and of one without images, the reason."""
    images = 0
    try:
        with within_memory(bounds.max_memory):
            document = open_pdf(data, bounds.max_pages)
            for image in page_images(document, bounds):
                images += 1
                repaired = "the PDF is damaged and was repaired on opening" if document.is_repaired else ""
                yield replace(image, note="; ".join(filter(None, (repaired, image.note))))
            if inside := _unread(document):
                yield Found(problem=inside)
            elif not images:
                yield Found(problem=f"no image on its pages{' (damaged, repaired on opening)' if document.is_repaired else ''}")
    except (UnreadablePdf, MemoryBound) as error:
        yield Found(problem=str(error))


def open_pdf(data: bytes, max_pages: int) -> pymupdf.Document:
    """Open a PDF for reading. Raises UnreadablePdf for what is none, locked or longer than `max_pages`."""
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    if not data:
        raise UnreadablePdf("empty file")
    if kind_of(data) != "pdf":
        raise NoPdf("not a PDF: no %PDF- in its first 1024 bytes")
    try:
        document = pymupdf.open(stream=data, filetype="pdf")
        locked, pages = document.needs_pass, 0 if document.needs_pass else document.page_count
    except Exception as error:  # whatever a file makes PyMuPDF raise
        if is_no_memory(error):
            raise
        raise UnreadablePdf(_why_not(error)) from error
    if locked:
        raise UnreadablePdf("encrypted: it needs a password")
    if not pages:
        raise UnreadablePdf("damaged: its page tree counts no page")
    if pages > max_pages:
        raise UnreadablePdf(f"{pages} pages, over the limit of {max_pages}")
    return document


def page_images(document: pymupdf.Document, bounds: Bounds) -> Iterator[PageImage]:
    """Yield every image of every page, in order; what cannot be taken out, and what is over a bound, with its problem.

    The source "embedded" takes the images that a page draws, "page" renders the whole page.
    """
    count = total = 0
    remapped = b"ColorTransform" in (document.stream or b"")
    try:
        for number in range(document.page_count):
            for image in _of_page(document, number, bounds, remapped):
                count, total = count + bool(image.data), total + len(image.data)
                if image.data and count > bounds.max_images:
                    yield _left_out(image, "too_large", f"over the limit of {bounds.max_images} images a document")
                elif image.data and total > bounds.max_bytes:
                    yield _left_out(image, "too_large", f"over the limit of {bounds.max_bytes} bytes a document")
                else:
                    yield image
            pymupdf.TOOLS.store_shrink(STORE)
    finally:
        pymupdf.TOOLS.store_shrink(100)  # the next document's memory


def _left_out(image: PageImage, code: Code, problem: str) -> PageImage:
    return replace(image, extension="", data=b"", note="", code=code, problem=problem)


def _of_page(document: pymupdf.Document, number: int, bounds: Bounds, remapped: bool) -> Iterator[PageImage]:
    """The images of a page. Whatever a file makes PyMuPDF raise is the problem of that page, or of the one image."""
    try:
        page = document.load_page(number)
        works = _whole(page, bounds) if bounds.source == "page" else _embedded(page, bounds, remapped)
    except Exception as error:
        if is_no_memory(error):
            raise
        yield _damaged(PageImage(number, 0), error)
        return
    for index, (size, work) in enumerate(works):
        yield _bounded(PageImage(number, index, *size), work, bounds)


Work = Callable[[], Taken]
Sized = tuple[tuple[int, int], Work]


def _whole(page: pymupdf.Page, bounds: Bounds) -> list[Sized]:
    def rendered() -> Taken:
        pixels = page.get_pixmap(dpi=bounds.dpi, colorspace=pymupdf.csRGB, alpha=False)
        return as_png(pixels, f"the page drawn at {bounds.dpi} dpi")

    return [((round(page.rect.width * bounds.dpi / 72), round(page.rect.height * bounds.dpi / 72)), rendered)]


def _embedded(page: pymupdf.Page, bounds: Bounds, remapped: bool) -> list[Sized]:
    found, seen = walk(page), set[object]()
    works: list[Sized] = []
    for run in pieces(found.drawn, bounds.max_pixels, upright_pixels):
        first = run[0]
        if len(run) > 1:
            why = f"{len(run)} pieces of one image"
            works.append((size_of(run), partial(from_page, page, run, size_of(run), why)))
        elif first.same not in seen:
            works.append((first.shown_size, partial(taken, first, page, remapped)))
        seen.update(each.same for each in run)
    works += [((width, height), partial(_refuse, reason)) for width, height, reason in found.refused]
    return works or ([((0, 0), partial(_refuse, found.broke_off))] if found.broke_off else [])


def _refuse(reason: str) -> Taken:
    raise ValueError(reason)


def _bounded(place: PageImage, work: Work, bounds: Bounds) -> PageImage:
    """What the work gives at a place, unless that is damaged, or out of bounds: as the PDF says or, of a JPEG, in truth."""
    if place.width and (problem := _out_of_bounds(place, bounds)):
        return _left_out(place, *problem)
    try:
        with within_memory(bounds.max_memory):
            image = replace(place, **vars(work()))
    except MemoryError:
        raise
    except MemoryBound as error:
        pymupdf.TOOLS.store_shrink(100)  # the next image's memory
        return _left_out(place, "too_large", str(error))
    except Exception as error:
        return _damaged(place, error)
    return _left_out(image, *problem) if (problem := _out_of_bounds(image, bounds)) else image


def _damaged(place: PageImage, error: Exception) -> PageImage:
    return _left_out(place, "damaged_image", f"damaged: {_said(error)}")


def _out_of_bounds(image: PageImage, bounds: Bounds) -> tuple[Code, str] | None:
    width, height = image.width, image.height
    if width * height > bounds.max_pixels:
        return "too_many_pixels", f"{width} x {height} pixels, over the limit of {bounds.max_pixels}"
    if min(width, height) < bounds.min_side:
        return "too_small", f"{width} x {height} pixels, a side under the minimum of {bounds.min_side}"
    return None


def _said(error: object) -> str:
    """A reason as text that a table can hold: MuPDF's messages quote the PDF's bytes, whatever they are.

    Of a message that is no UTF-8, PyMuPDF cannot make its own exception, and raises a TypeError about that.
    """
    if "__init__() missing" in str(error):
        return "MuPDF's message on it is no text"
    line = " ".join(next(iter(str(error).splitlines()), type(error).__name__).split())
    return re.sub(r"^code=\d+: ", "", "".join(letter if letter.isprintable() else "?" for letter in line))[:200]


def _why_not(error: Exception) -> str:
    causes = f"{error} {error.__cause__}"
    if "encryption" in causes:
        return "encrypted for the holders of certificates, or in another way that Quire cannot read: decrypt it first"
    return f"damaged: {_said(error)}"


def _unread(document: pymupdf.Document) -> str:
    """What a portfolio (PDF 1.7, 12.3.5) holds beside its pages."""
    if document.xref_get_key(document.pdf_catalog(), "Collection")[0] == "null":
        return ""
    names = document.embfile_names()
    pdfs = sum(name.lower().endswith(".pdf") for name in names)
    return f"a portfolio: {len(names)} files inside, {pdfs} of them PDFs, are not read; save them from it and add them"
