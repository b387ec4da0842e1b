"""What a page draws: a device of MuPDF's is told each image with its place, colour and mask, in the order that they are drawn.

PyMuPDF is AGPL, so that the modules `pdf*.py` are the only ones that import it and the service can do without.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pymupdf
from PIL import Image
from pymupdf import mupdf

from quire.items.readers.limits import is_no_memory
from quire.items.readers.pdf_streams import is_whole

# Of MuPDF's messages, those after which the rest of a page's content is not drawn.
BROKE_OFF = re.compile(r"premature|zlib error(?!: incorrect data check)|truncated|rest of page|cannot", re.IGNORECASE)
FLATE = re.compile(r"flate filter|zlib error")  # of those, the ones that a missing checksum or a font brings as well
RGB = mupdf.FzColorspace(mupdf.FzColorspace.Fixed_RGB)
TURNS = {  # (x axis of the image runs along the page's y axis, mirrored in x, mirrored in y of the page) → Pillow's name
    (False, True, False): Image.Transpose.FLIP_LEFT_RIGHT,
    (False, False, True): Image.Transpose.FLIP_TOP_BOTTOM,
    (False, True, True): Image.Transpose.ROTATE_180,
    (True, False, False): Image.Transpose.TRANSPOSE,
    (True, True, False): Image.Transpose.ROTATE_270,
    (True, False, True): Image.Transpose.ROTATE_90,
    (True, True, True): Image.Transpose.TRANSVERSE,
}
DRAWS = ("fill_image", "fill_image_mask")
CLIPS = ("clip_path", "clip_stroke_path", "clip_text", "clip_stroke_text", "clip_image_mask")
NO_DEFAULTS = mupdf.FzDefaultColorspaces()
Matrix = tuple[float, float, float, float, float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Drawn:
    """An image as a page draws it.

    `matrix` takes the unit square, whose first row is at the top, to points on the page as it is shown, y downwards (PDF 1.7,
    8.3.2 and 8.9.5). A stencil has a `colour`, RGB of 255. What a pattern fills, or a group's soft mask lies over, is `mixed`:
    only the page shows it as a viewer does.
    """

    image: mupdf.FzImage
    matrix: Matrix
    intent: int = 1
    colour: Colour | None = None
    mixed: bool = False
    defaults: mupdf.FzDefaultColorspaces = NO_DEFAULTS  # what the page says instead of devices' colours (PDF 1.7, 8.6.5.6)

    @property
    def space(self) -> mupdf.FzColorspace:
        """The colour space of its numbers."""
        own = self.image.colorspace()
        if not (self.defaults.m_internal and own.m_internal and mupdf.fz_colorspace_is_device(own)):
            return own
        default = {1: mupdf.fz_default_gray, 3: mupdf.fz_default_rgb, 4: mupdf.fz_default_cmyk}.get(own.m_internal.n)
        return default(self.defaults) if default and not mupdf.fz_colorspace_is_lab(own) else own

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as stored, or of its mask where that is larger."""
        mask = self.image.mask()
        masked = (mask.w(), mask.h()) if mask.m_internal else (0, 0)
        return max(self.image.w(), masked[0]), max(self.image.h(), masked[1])

    @property
    def turn(self) -> Image.Transpose | None:
        """What brings the stored rows upright as on the page, to the quarter turn and the mirror."""
        a, b, c, d, *_ = self.matrix
        swapped = abs(b) + abs(c) > abs(a) + abs(d)
        return TURNS.get((swapped, (c if swapped else a) < 0, (b if swapped else d) < 0))

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height in pixels, upright."""
        a, b, c, d, *_ = self.matrix
        return self.size[::-1] if abs(b) + abs(c) > abs(a) + abs(d) else self.size

    @cached_property
    def area(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom on the page, in points."""
        a, b, c, d, e, f = self.matrix
        across, down = (e, a + e, c + e, a + c + e), (f, b + f, d + f, b + d + f)
        return min(across), min(down), max(across), max(down)

    @cached_property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel on the page, in points."""
        left, top, right, bottom = self.area
        width, height = self.shown_size
        return (right - left) / width, (bottom - top) / height

    @property
    def upright(self) -> bool:
        """Whether its sides run along the page's."""
        a, b, c, d, *_ = map(abs, self.matrix)
        return min(a + d, b + c) <= 1e-3 * max(a + d, b + c)

    @property
    def masked(self) -> bool:
        """Whether a mask or a colour key leaves part of it out."""
        return bool(self.image.mask().m_internal or self.image.use_colorkey())

    @property
    def same(self) -> tuple[object, ...]:
        """Equal for what a page draws twice: one object, turned alike, in one colour."""
        return int(self.image.m_internal_value()), self.turn, self.colour, self.mixed


@dataclass
class Walk:
    """What a page draws; `refused`: width, height and reason of the images that MuPDF could not load; `broke_off`: why, or ""."""

    drawn: list[Drawn] = field(default_factory=list)
    refused: list[tuple[int, int, str]] = field(default_factory=list)
    broke_off: str = ""


class _Device(mupdf.FzDevice2):  # type: ignore[misc]
    """Notes images and stencils, but for those inside soft masks of groups, which are no images that a viewer shows."""

    def __init__(self) -> None:
        super().__init__()
        for name in (*DRAWS, *CLIPS, "begin_mask", "end_mask", "pop_clip", "set_default_colorspaces"):
            getattr(self, f"use_virtual_{name}")()
        self.drawn: list[Drawn] = []
        self.defaults = NO_DEFAULTS
        self.inside = 0  # soft masks that are being drawn
        self.over: list[bool] = []  # for each clip that holds, whether it is a soft mask

    def fill_image(self, _context: Any, image: Any, ctm: Any, _alpha: float, parameters: Any) -> None:
        kept, last = mupdf.FzImage(mupdf.ll_fz_keep_image(image)), self.drawn[-1] if self.drawn else None
        if last and last.mixed and last.image.m_internal_value() == kept.mask().m_internal_value():
            self.drawn.pop()  # it was told before as what this image is clipped to: its own mask
        self._note(Drawn(kept, _matrix(ctm), parameters.ri, None, any(self.over), self.defaults))

    def fill_image_mask(self, _context: Any, image: Any, ctm: Any, space: Any, values: Any, _alpha: float, parameters: Any) -> None:
        colour = [mupdf.floats_getitem(values, number) for number in range(space.n)]
        source = mupdf.FzColorspace(mupdf.ll_fz_keep_colorspace(space))
        rgb = mupdf.fz_convert_color(source, colour, RGB, mupdf.FzColorspace(), mupdf.FzColorParams())
        red, green, blue = (round(255 * min(max(value, 0), 1)) for value in rgb[:3])
        kept = mupdf.FzImage(mupdf.ll_fz_keep_image(image))
        self._note(Drawn(kept, _matrix(ctm), parameters.ri, (red, green, blue), any(self.over)))

    def clip_image_mask(self, _context: Any, image: Any, ctm: Any, _scissor: Any) -> None:
        self._note(Drawn(mupdf.FzImage(mupdf.ll_fz_keep_image(image)), _matrix(ctm), mixed=True))
        self.over.append(False)

    def clip_path(self, *_: Any) -> None:
        self.over.append(False)

    clip_stroke_path = clip_text = clip_stroke_text = clip_path

    def pop_clip(self, *_: Any) -> None:
        self.over.pop()

    def set_default_colorspaces(self, _context: Any, defaults: Any) -> None:
        self.defaults = mupdf.FzDefaultColorspaces(mupdf.ll_fz_keep_default_colorspaces(defaults)) if defaults else NO_DEFAULTS

    def begin_mask(self, *_: Any) -> None:
        self.inside += 1

    def end_mask(self, *_: Any) -> None:
        self.inside -= 1
        self.over.append(True)

    def _note(self, drawn: Drawn) -> None:
        if not self.inside:
            self.drawn.append(drawn)


def walk(page: pymupdf.Page) -> Walk:
    """What the page draws, its annotations and forms included. An error ends the walk, and what was drawn before it stays."""
    pymupdf.TOOLS.reset_mupdf_warnings()
    device, cookie, broke_off = _Device(), mupdf.FzCookie(), ""
    try:
        mupdf.fz_run_page(page.this, device, mupdf.FzMatrix(), cookie)
        mupdf.fz_close_device(device)
    except Exception as error:
        if is_no_memory(error):
            raise
        broke_off = str(error)
    said = [line for line in warnings() if BROKE_OFF.search(line)]
    if all(FLATE.search(line) for line in said) and is_whole(page):
        said = []
    refused = list(_refused(page)) if cookie.m_internal.errors else []
    return Walk(device.drawn, refused, broke_off or next(iter(said), ""))


def warnings() -> list[str]:
    """MuPDF's messages since the last reset, which this is too, but for those on how often the one before came."""
    return [line for line in pymupdf.TOOLS.mupdf_warnings().splitlines() if not line.startswith("...")]


def _refused(page: pymupdf.Page) -> Iterator[tuple[int, int, str]]:
    """The images among the page's resources that cannot be loaded, for these are not told to a device."""
    pdf = mupdf.pdf_document_from_fz_document(page.parent.this)
    for xref, _, width, height, *_ in page.get_images(full=True):
        try:
            mupdf.pdf_load_image(pdf, mupdf.pdf_new_indirect(pdf, xref, 0))
        except Exception as error:
            if is_no_memory(error):
                raise
            yield width, height, str(error)


def _matrix(ctm: Any) -> Matrix:
    return ctm.a, ctm.b, ctm.c, ctm.d, ctm.e, ctm.f
