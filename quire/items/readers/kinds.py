"""What kind a file is, by its content, and the reader of that kind: a function from bytes to what is found in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from quire.decode import READS, image_extension

Kind = Literal["pdf", "image_file"]
Source = Literal["embedded", "page"]
Code = Literal["", "damaged_image", "too_small", "too_many_pixels", "too_large"]

HEAD = 1024  # bytes that tell the kind


@dataclass(frozen=True)
class Found:
    """What a reader finds: an image, or with a `problem` why there is none. Page and index count from 0.

    `code` is the kind of the problem, for programs; `note` says what was repaired or converted. `sha256` is that of `data`; the
    cache fills it in. Without page and extension it is no item, but the reason why a file gives none.
    """

    page: int | None = None
    index: int | None = None
    width: int = 0
    height: int = 0
    extension: str = ""
    data: bytes = b""
    problem: str = ""
    code: Code = ""
    note: str = ""
    sha256: str = ""

    @property
    def is_item(self) -> bool:
        """Whether the ledger names it by a key."""
        return self.page is not None or bool(self.extension)


@dataclass(frozen=True)
class Bounds:
    """The parameters of `extract` that decide what is found in a file: work, not time, so that a busy machine finds the same."""

    source: Source
    dpi: int
    max_pages: int
    max_pixels: int  # of an image
    min_side: int  # pixels of an image in a document; below are rules, borders and shadows
    max_images: int  # of a document
    max_bytes: int  # of all images of a document
    max_memory: int  # MB that reading a file may take beside one image of `max_pixels`


def is_repeat(hashes: Sequence[str | None]) -> bool:
    """Whether the last image of a document repeats the first: there are several, and their contents are equal."""
    return len(hashes) > 1 and hashes[0] == hashes[-1]


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file that begins with these bytes, `HEAD` of them; a PDF may begin with some junk, as viewers allow."""
    if image_extension(head[:64]):
        return "image_file"
    return "pdf" if b"%PDF-" in head[:HEAD] else None


def read(data: bytes, bounds: Bounds) -> Iterator[Found]:
    """Yield what a file holds; what cannot be read is yielded with its problem, and nothing of it is raised."""
    kind = kind_of(data)
    if kind == "pdf":
        from quire.items.readers.pdf import read as read_pdf  # noqa: PLC0415 - AGPL: only who reads PDFs needs it

        yield from read_pdf(data, bounds)
    elif kind == "image_file":
        from quire.items.readers.image_file import read as read_image_file  # noqa: PLC0415 - beside its like

        yield from read_image_file(data, bounds)
    else:
        yield Found(problem=f"neither a PDF nor a {READS} image" if data else "empty file")
