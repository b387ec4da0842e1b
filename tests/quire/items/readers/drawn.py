"""PDFs written object by object, for what no library writes, and what of a page lies where."""

import io
import zlib
from collections.abc import Mapping

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from quire.items.readers.kinds import Bounds

BOUNDS = Bounds("embedded", 72, max_pages=100, max_pixels=10**7, min_side=1, max_images=10**6, max_bytes=10**9, max_memory=512)


def stream(keys: str, data: bytes) -> bytes:
    return f"<< {keys} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"


def document(objects: Mapping[int, str | bytes], trailer: str = "") -> bytes:
    """A PDF of these objects, by number; 1 is the catalogue."""
    out, offsets = b"%PDF-1.7\n", {}
    for number, value in sorted(objects.items()):
        offsets[number] = len(out)
        out += f"{number} 0 obj\n".encode() + (value.encode() if isinstance(value, str) else value) + b"\nendobj\n"
    entries = (f"{offsets[n]:010d} 00000 n \n" if n in offsets else "0000000000 65535 f \n" for n in range(max(objects) + 1))
    table = f"xref\n0 {max(objects) + 1}\n{''.join(entries)}trailer << /Size {max(objects) + 1} /Root 1 0 R {trailer} >>\n"
    return out + table.encode() + f"startxref\n{len(out)}\n%%EOF".encode()


def page(
    content: str | bytes,
    images: Mapping[str, bytes],
    more: Mapping[int, str | bytes] | None = None,
    *,
    keys: str = "",
    resources: str = "",
) -> bytes:
    """A PDF of one page, 200 x 200 points, of these image objects, by name, and further objects, from number 20 on."""
    objects: dict[int, str | bytes] = {1: "<< /Type /Catalog /Pages 2 0 R >>", 2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"}
    objects |= dict(enumerate(images.values(), start=10)) | dict(more or {})
    names = " ".join(f"/{name} {number} 0 R" for number, name in enumerate(images, start=10))
    box = "" if "MediaBox" in keys else "/MediaBox [0 0 200 200]"
    objects[3] = f"<< /Type /Page /Parent 2 0 R {box} /Contents 4 0 R /Resources << /XObject << {names} >> {resources} >> {keys} >>"
    objects[4] = stream("", content.encode() if isinstance(content, str) else content)
    return document(objects)


def image_object(size: tuple[int, int], data: bytes, keys: str, bits: int = 8, flate: bool = True) -> bytes:
    """An image object of raw pixels, or of data that are encoded already."""
    filters = "/Filter /FlateDecode" if flate else ""
    sides = f"/Width {size[0]} /Height {size[1]} /BitsPerComponent {bits}"
    return stream(f"/Type /XObject /Subtype /Image {sides} {filters} {keys}", zlib.compress(data) if flate else data)


def arrow(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red at the left, blue above, green below, a white arrow up: every turn and mirror of it looks different."""
    image, (width, height) = Image.new("RGB", size, (120, 180, 240)), size
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height // 2, width, height), fill=(40, 120, 40))
    draw.rectangle((0, 0, width // 6, height), fill=(220, 40, 40))
    draw.polygon([(width // 2, 4), (width // 2 + width // 6, height // 2), (width // 2 - width // 6, height // 2)], fill="white")
    return image


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 92} | options)
    return buffer.getvalue()


def jpeg_object(image: Image.Image, keys: str = "/ColorSpace /DeviceRGB", **options: object) -> bytes:
    return image_object(image.size, jpeg(image, **options), f"/Filter /DCTDecode {keys}", flate=False)


def thumbnail(image: Image.Image) -> NDArray[np.float64]:
    """The image as (32, 32, 3) float64 of 255."""
    return np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX), np.float64)


def rendered(data: bytes, area: tuple[float, float, float, float]) -> Image.Image:
    """What MuPDF draws of the first page, as it is shown, in this part of it: left, top, right, bottom."""
    shown = pymupdf.open(stream=data)[0].get_pixmap(matrix=pymupdf.Matrix(3, 3), clip=pymupdf.Rect(area), alpha=False)
    return Image.frombytes("RGB", (shown.width, shown.height), shown.samples)
