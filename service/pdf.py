"""Take an uploaded PDF apart in a process of its own, which is stopped when it takes too long.

Needs the optional dependencies of the group `pdf`; the service imports this module only when it has them.
"""

import asyncio
import hashlib
import signal
from concurrent.futures import TimeoutError as TooLong
from multiprocessing import get_context

from pebble import ProcessExpired, ProcessPool

from quire.items.readers.kinds import Bounds, is_repeat
from quire.items.readers.limits import MemoryBound, allow_processor_time, confine, died, within_memory
from quire.items.readers.pdf import NoPdf, PageImage, UnreadablePdf, open_pdf, page_images
from service.errors import Refused
from service.settings import Settings


class TooManyImages(Exception):
    """A PDF has more images than one may have."""


class PdfReader:
    """A pool of processes: a PDF waits for others where all read one, images do not wait for PDFs. No thread waits for them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bounds = Bounds(
            source="embedded",
            dpi=72,
            max_pages=settings.max_pages,
            max_pixels=settings.max_pixels,
            min_side=settings.min_side,
            max_images=settings.max_pdf_images,
            max_bytes=settings.max_bytes_together,
            max_memory=settings.max_memory,
        )
        spawn = get_context("spawn")  # a fork would copy the model's threads' locks
        confined = (settings.max_memory, settings.max_pixels)
        self.pool = ProcessPool(max_workers=settings.pdf_workers, context=spawn, initializer=_begin, initargs=confined)

    async def read(self, data: bytes) -> list[tuple[PageImage, bool]]:
        """Every image of every page, and whether it is the last one and repeats the first. Raises Refused.

        Raises OSError where the machine ended the process, which is no fault of the PDF.
        """
        seconds = self.settings.max_seconds
        try:
            return await asyncio.wrap_future(self.pool.schedule(_read, (data, self.bounds, seconds), timeout=seconds))
        except UnreadablePdf as error:
            raise Refused("not_a_pdf" if isinstance(error, NoPdf) else "unreadable_pdf", str(error)) from error
        except TooManyImages as error:
            raise Refused("too_large", str(error)) from error
        except MemoryBound as error:
            raise Refused("unreadable_pdf", str(error)) from error
        except TooLong as error:
            raise Refused("unreadable_pdf", f"not read within {seconds:g} s") from error
        except ProcessExpired as error:
            why = f"not read within {seconds:g} s" if error.exitcode == -signal.SIGXCPU else f"damaged: {died(error.exitcode)}"
            raise Refused("unreadable_pdf", why) from error


def _begin(max_memory: int, max_pixels: int) -> None:
    confine(max_memory, max_pixels)  # here, so that this module and what it imports are loaded before


def _read(data: bytes, bounds: Bounds, max_seconds: float) -> list[tuple[PageImage, bool]]:
    allow_processor_time(max_seconds)
    images: list[PageImage] = []
    with within_memory(bounds.max_memory):
        for image in page_images(open_pdf(data, bounds.max_pages), bounds):
            if len(images) == bounds.max_images:
                raise TooManyImages(f"more than {bounds.max_images} images, which is the limit of one PDF (QUIRE_MAX_PDF_IMAGES)")
            images.append(image)
    repeat = is_repeat([hashlib.sha256(image.data).hexdigest() for image in images if image.data])
    last = next((image for image in reversed(images) if image.data), None)
    return [(image, repeat and image is last) for image in images]
