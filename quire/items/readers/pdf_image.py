"""An image that a page draws as the bytes of an image file: those in the PDF where they show the same, else a PNG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image
from pymupdf import mupdf

from quire.decode import in_srgb
from quire.items.readers.jpeg import Jpeg, Unshowable, showable, without_profile
from quire.items.readers.pdf_walk import RGB, Drawn, warnings
from quire.repair import completed

ROWS_MISSING = ("padding truncated image", "jbig2dec", "corrupt")  # in MuPDF's messages
LARGE = 4_000_000  # pixels from which MuPDF's cache of them is too costly
ALIKE = 4  # of 255: by how much colours may differ inside and outside the PDF


@dataclass(frozen=True)
class Taken:
    """The file that an image became, upright, and how."""

    width: int
    height: int
    extension: str
    data: bytes
    note: str = ""


class Damaged(ValueError):
    """Part of the image is missing; the message says what."""


def taken(drawn: Drawn, page: pymupdf.Page, remapped: bool) -> Taken:
    """The image as the page shows it, upright. Raises Damaged, MemoryError, and what MuPDF raises for what it cannot decode.

    `remapped`: a PDF that gives JPEGs other colours than they have by themselves.
    """
    if drawn.mixed:
        return from_page(page, [drawn], drawn.shown_size, "a pattern fills it, or a group's soft mask lies over it")
    try:
        return _as_stored(drawn, remapped)
    except Unshowable as error:
        why = str(error)
    try:
        return as_png(upright_pixels(drawn), f"drawn as {{}} PNG: {why}")
    except Damaged as error:
        raise Damaged(f"{error}; {why}") from error


def from_page(page: pymupdf.Page, drawn: Sequence[Drawn], size: tuple[int, int], why: str) -> Taken:
    """The part of the page where these lie, `size` in pixels, with all else that the page draws there."""
    left, top, right, bottom = np.array([each.area for each in drawn]).T
    area = pymupdf.Rect(left.min(), top.min(), right.max(), bottom.max())
    scale = pymupdf.Matrix(size[0] / area.width, size[1] / area.height)
    grey = all(each.image.n() == 1 and not each.image.imagemask() and not each.mixed for each in drawn)
    shown = page.get_pixmap(matrix=scale, clip=area, colorspace=pymupdf.csGRAY if grey else pymupdf.csRGB, alpha=False)
    return as_png(shown, f"drawn as {{}} PNG from the page: {why}")


def _as_stored(drawn: Drawn, remapped: bool) -> Taken:
    image, buffer = drawn.image, mupdf.fz_compressed_image_buffer(drawn.image)
    refusals = {
        "it is a stencil": drawn.colour,
        "it has a mask": drawn.masked,
        "it has a Decode array": image.use_decode(),
        "it is not stored as JPEG": not buffer.m_internal or buffer.m_internal.params.type != mupdf.FZ_IMAGE_JPEG,
        "the PDF has a colour transform": remapped,
        "it is turned": drawn.turn is not None,
    }
    if why := next((why for why, holds in refusals.items() if holds), ""):
        raise Unshowable(why)
    try:
        jpeg = showable(_stored(buffer))
    except OSError as error:
        raise Damaged(str(error)) from error
    if jpeg.width * jpeg.height > image.w() * image.h():
        raise Unshowable(f"the PDF shows {image.w()} x {image.h()} pixels of its {jpeg.width} x {jpeg.height}")
    data, note = _with_its_colours(drawn, jpeg)
    return Taken(jpeg.width, jpeg.height, "jpg", data, note)


def _stored(buffer: mupdf.FzCompressedBuffer) -> bytes:
    kept = mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(buffer.m_internal.buffer))
    return bytes(mupdf.fz_buffer_storage_memoryview(kept))


def _with_its_colours(drawn: Drawn, jpeg: Jpeg) -> tuple[bytes, str]:
    """The JPEG where its colours are the PDF's, with or without its own profile. Raises Unshowable."""
    space = drawn.space
    if space.m_internal.n != len(jpeg.mode):
        raise Unshowable(f"its mode is {jpeg.mode}, the PDF says {mupdf.fz_colorspace_name(space)}")
    device = _is_device(space)
    if device and not jpeg.profile:
        return jpeg.data, jpeg.note
    inside = _shown_outside(jpeg.mode, None) if device else _shown_inside(space, drawn.intent)
    if jpeg.profile and _differ(inside, _shown_outside(jpeg.mode, jpeg.profile)) <= ALIKE:
        return jpeg.data, jpeg.note
    if _differ(inside, _shown_outside(jpeg.mode, None)) > ALIKE:
        raise Unshowable(f"its colours are {mupdf.fz_colorspace_name(space)}")
    if not jpeg.profile:
        return jpeg.data, jpeg.note
    return without_profile(jpeg.data), "; ".join(
        filter(None, (jpeg.note, "its colour profile left out, which the PDF does not state"))
    )


def _is_device(space: mupdf.FzColorspace) -> bool:
    """Whether the numbers are sRGB or grey as they are; to MuPDF, Lab and CMYK are devices' too."""
    plain = mupdf.fz_colorspace_is_gray(space) or mupdf.fz_colorspace_is_rgb(space)
    return bool(plain and mupdf.fz_colorspace_is_device(space))


def _samples(mode: str) -> Image.Image:
    """A grid of colours, a row of 4 grey or 64 RGB pixels."""
    levels = np.indices((4,) * len(mode), np.uint8).reshape(len(mode), -1).T * 85  # (64, 3) or (4, 1) uint8
    return Image.frombytes(mode, (len(levels), 1), levels.tobytes())


def _shown_inside(space: mupdf.FzColorspace, intent: int) -> NDArray[np.float64]:
    """What the PDF shows for a grid of colours: (4 or 64, 3) float64 of 255."""
    samples = np.asarray(_samples("L" if space.m_internal.n == 1 else "RGB")).reshape(-1, space.m_internal.n)
    parameters = _with_intent(intent)
    shown = [
        mupdf.fz_convert_color(space, (sample / 255).tolist(), RGB, mupdf.FzColorspace(), parameters)[:3] for sample in samples
    ]
    return np.array(shown) * 255


@lru_cache(maxsize=16)
def _shown_outside(mode: str, profile: bytes | None) -> NDArray[np.float64]:
    return np.asarray(in_srgb(_samples(mode), profile)).reshape(-1, 3)


def _differ(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other.astype(float)).max())


def upright_pixels(drawn: Drawn) -> Image.Image:
    """All pixels upright: in the stencil's colour or the image's own as sRGB, what is masked on white. Raises Damaged."""
    pymupdf.TOOLS.reset_mupdf_warnings()
    image, mask = _decoded(drawn)
    said = warnings()
    if lost := next((line for line in said if any(sign in line for sign in ROWS_MISSING)), ""):
        raise Damaged(lost)
    if any("premature end of file in jpeg" in line for line in said):
        _check_rows(drawn)
    if mask:
        size = drawn.size
        image, mask = (each if each.size == size else each.resize(size, Image.Resampling.NEAREST) for each in (image, mask))
        shown = Image.new("RGB", size, "white")
        shown.paste(image, mask=mask)
        image = shown
    return image if drawn.turn is None else image.transpose(drawn.turn)


def _check_rows(drawn: Drawn) -> None:
    """Raise Damaged for a JPEG whose rows are missing: MuPDF says the same of one that lacks its end alone."""
    for image in (drawn.image, drawn.image.mask()):
        buffer = mupdf.fz_compressed_image_buffer(image) if image.m_internal else mupdf.FzCompressedBuffer()
        if buffer.m_internal and buffer.m_internal.params.type == mupdf.FZ_IMAGE_JPEG:
            try:
                completed(_stored(buffer))
            except OSError as error:
                raise Damaged(str(error)) from error


def _decoded(drawn: Drawn) -> tuple[Image.Image, Image.Image | None]:
    """The stored pixels, grey or in sRGB, and what to let them through of 255. In memory at most twice at a time."""
    size = drawn.image.w(), drawn.image.h()
    masked = _pixels(drawn.image.mask()) if drawn.image.mask().m_internal else None
    pixels = _pixels(drawn.image)
    if drawn.colour:
        return Image.new("RGB", size, drawn.colour), _copied("L", pixels)
    device, transparent = _is_device(drawn.space), bool(pixels.alpha())  # of a colour key
    if not device:
        intent = _with_intent(drawn.intent)
        pixels = mupdf.fz_convert_pixmap(pixels, RGB, mupdf.FzColorspace(), drawn.defaults, intent, 1)
    grey = device and pixels.n() - transparent == 1
    if size[0] * size[1] > LARGE:
        mupdf.fz_empty_store()  # which holds the pixels as well
    image = _copied(("LA" if transparent else "L") if grey else ("RGBA" if transparent else "RGB"), pixels)
    if masked:  # with a Matte (PDF 1.7, 11.6.5.3) MuPDF gives alpha as well, which is 255
        return image.convert("RGB") if transparent else image, _copied("L", masked)
    if transparent:
        return image.convert("L" if grey else "RGB"), image.getchannel("A")
    return image.convert("1", dither=Image.Dither.NONE) if grey and drawn.image.bpc() == 1 else image, None


def _pixels(image: mupdf.FzImage) -> mupdf.FzPixmap:
    """The stored pixels. The binding's function without `ll_` keeps a reference that nobody drops, and with it all pixels."""
    return mupdf.FzPixmap(mupdf.ll_fz_get_unscaled_pixmap_from_image(image.m_internal))


def _copied(mode: str, pixels: mupdf.FzPixmap) -> Image.Image:
    return Image.frombytes(mode, (pixels.w(), pixels.h()), mupdf.fz_pixmap_samples_memoryview(pixels))


def _with_intent(intent: int) -> mupdf.FzColorParams:
    parameters = mupdf.FzColorParams()
    parameters.ri = intent
    return parameters


def as_png(image: Image.Image | pymupdf.Pixmap, note: str) -> Taken:
    """A PNG of 1 bit, grey or RGB; `{}` in the note becomes which of them."""
    if isinstance(image, pymupdf.Pixmap):
        image = Image.frombytes("L" if image.n == 1 else "RGB", (image.width, image.height), image.samples_mv)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    kind = {"1": "1-bit", "L": "grey"}.get(image.mode, "RGB")
    return Taken(image.width, image.height, "png", buffer.getvalue(), note.format(kind))
