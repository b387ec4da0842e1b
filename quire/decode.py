"""Bytes to pixels: the one decoder of training, evaluation and serving.

What an image is gets decided by its content, never by a name or a declared type. What stands beside the pixels, such as texts,
never refuses an image (PNG, 3rd edition, 13.1): where it does not let Pillow read one, the image is read without it.
"""

import io
import struct
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from PIL import AvifImagePlugin, Image, ImageChops, ImageCms, UnidentifiedImageError

from quire.command import BadInput
from quire.memory import telling_memory
from quire.repair import completed, without_metadata

Extension = Literal["jpg", "png", "webp", "gif", "avif", "heic"]
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF")  # as Pillow calls them
READS = "JPEG, PNG, WebP, AVIF, HEIC or GIF"  # as people do
MAX_PIXELS = 50_000_000  # 150 MB of RGB: more than any camera's image, less than a decompression bomb
BAND = 256  # rows that are laid on white at a time

DAMAGE = (OSError, RuntimeError, SyntaxError, ValueError, TypeError, AttributeError, KeyError, IndexError, EOFError, OverflowError,
          struct.error)  # fmt: skip
STARTS: dict[bytes, Extension] = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
}
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
TURNS = {  # EXIF's orientation → how to turn the stored image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UndecodableImage(BadInput):
    """The bytes are no image that Quire reads; the message says why, `code` of which kind the reason is."""

    def __init__(self, message: str, code: Literal["empty", "not_an_image", "damaged_image", "too_many_pixels"]) -> None:
        super().__init__(message)
        self.code = code


def image_extension(head: bytes) -> Extension | None:
    """Which of the images that Quire decodes the bytes begin as; of the brands of a HEIF file (ISO 23008-12), 64 bytes tell."""
    for start, extension in STARTS.items():
        if head.startswith(start):
            return extension
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and (b"avif" in head[8:64] or b"avis" in head[8:64]):
        return "avif"
    return "heic" if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS else None


def decode(data: bytes, max_pixels: int = MAX_PIXELS, size: int | None = None) -> Image.Image:
    """Decode an image as RGB in sRGB, upright (EXIF orientation), transparency on white; of an animation, the first frame.

    `size` is that of the square which it will be resized to: a large JPEG is then decoded at a half, a quarter or an eighth of
    its size, whatever leaves its sides at least twice as long (libjpeg's scaled inverse cosine transform). `info["size"]` of the
    image is its own size, upright, nonetheless.
    Raises UndecodableImage for other formats, for damaged data and above `max_pixels`, and MemoryError.
    """
    return decode_noting(data, max_pixels, size)[0]


def decode_noting(data: bytes, max_pixels: int = MAX_PIXELS, size: int | None = None) -> tuple[Image.Image, str]:
    """As `decode`, with what had to be repaired: "" where nothing had."""
    if not data:
        raise UndecodableImage("no bytes at all", "empty")
    extension = image_extension(data[:64])
    if not extension:
        raise UndecodableImage(f"not a {READS} image", "not_an_image")
    try:
        return _decoded(data, max_pixels, size), ""
    except UndecodableImage:
        raise
    except DAMAGE as error:
        first = error
    try:
        if extension == "jpg" and "truncated" in str(first):
            return _decoded(completed(data), max_pixels, size), "the end of the JPEG is missing, its rows are there"
        bare = without_metadata(data, extension)
        if bare != data:
            return _decoded(bare, max_pixels, size), f"read without what stands beside its pixels: {first}"
    except DAMAGE:
        pass  # the first error says what is wrong
    raise UndecodableImage(str(first), "damaged_image") from first


def _decoded(data: bytes, max_pixels: int, size: int | None) -> Image.Image:
    """Raises DAMAGE, and UndecodableImage above `max_pixels`."""
    if data[4:8] == b"ftyp":
        _prepare_heif()
    canvas = _canvas(data[:30]) if data[8:12] == b"WEBP" else (0, 0)
    _check_pixels(canvas, max_pixels)
    with telling_memory(canvas):
        image = _opened(data)
    _check_pixels(image.size, max_pixels)
    width, height = image.size
    if size:
        image.draft(None, (2 * size, 2 * size))
    with telling_memory((width, height)):
        image.load()
    orientation = orientation_of(image.info)
    rgb = _as_rgb(image)
    upright = rgb.transpose(TURNS[orientation]) if orientation in TURNS else rgb
    upright.info = {"size": (height, width) if orientation in (5, 6, 7, 8) else (width, height)}
    return upright


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UndecodableImage(str(error), "too_many_pixels") from error
    except UnidentifiedImageError as error:
        raise OSError("no decoder reads it") from error


def _check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise UndecodableImage(f"{size[0]} x {size[1]} pixels, over the limit of {max_pixels}", "too_many_pixels")


def _canvas(head: bytes) -> tuple[int, int]:
    """Width and height of a WebP (RFC 9649, 2.5 to 2.7), whose decoder takes memory for them on opening."""
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        sides = int.from_bytes(head[21:25], "little")
        return 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF


@cache
def _prepare_heif() -> None:
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # threads are over images
    import pi_heif  # type: ignore[import-untyped]  # noqa: PLC0415 - most images need it not

    pi_heif.register_heif_opener(thumbnails=False)


def orientation_of(info: Mapping[Any, Any]) -> object:
    """EXIF's own: what XMP alone states is not heeded, as in browsers. A broken EXIF states none."""
    exif = Image.Exif()
    try:
        exif.load(info.get("exif", b""))
        return exif.get(0x0112)
    except DAMAGE:
        return None


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255
        image = _of_16_bits(image)
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        return _on_white(image, profile)
    return in_srgb(image, profile)


def _of_16_bits(image: Image.Image) -> Image.Image:
    values, clear = np.asarray(image), image.info.get("transparency")  # (H, W) uint16
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    if clear is not None:
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    grey.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return grey


def _on_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Rows by rows, so that a large image is in memory twice and not four times."""
    rgb = Image.new("RGB", image.size)
    for top in range(0, image.height, BAND):
        band = image.crop((0, top, image.width, min(top + BAND, image.height)))
        band.info = image.info  # a palette's transparency
        colours = band if band.mode in ("RGBA", "LA", "PA") else band.convert("RGBA")
        opaque = colours.getchannel("L") if colours.mode == "LA" else colours.convert("RGB")
        shown = in_srgb(opaque, profile)
        shown.putalpha(colours.getchannel("A"))
        white = Image.new("RGBA", shown.size, "white")
        rgb.paste(Image.alpha_composite(white, shown).convert("RGB"), (0, top))
    return rgb


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours as sRGB; a profile that is none, or one of other colours than the image's, is as good as none."""
    if profile and image.mode == "P":
        image = image.convert("RGB")
    transform = _to_srgb(profile, image.mode) if profile else None
    if transform:
        return ImageCms.applyTransform(image, transform) or image
    return image if image.mode == "RGB" else image.convert("RGB")  # to RGB from RGB is a copy, and half of the time


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB; None for sRGB itself, to within 1 of 255, and for what cannot be used."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
    except (ImageCms.PyCMSError, *DAMAGE):
        return None
    if mode == "CMYK":
        return transform
    colours = Image.fromarray(np.indices((8, 8, 8), np.uint8).reshape(3, 8, 64).transpose(1, 2, 0) * 36).convert(mode)
    shown = ImageCms.applyTransform(colours, transform)
    return transform if shown and np.ptp(np.asarray(ImageChops.difference(shown, colours.convert("RGB")))) > 1 else None
