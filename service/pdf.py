"""Take an uploaded PDF apart in a process of its own, which is stopped when it takes too long.

Needs the optional dependencies of the group `pdf`; the service imports this module only when it has them.
"""

import asyncio
import hashlib
from concurrent.futures import TimeoutError as TooLong
from multiprocessing import get_context

from pebble import ProcessExpired, ProcessPool

from quire.items.readers.pdf import PageImage, UnreadablePdf, is_repeat, open_pdf, page_images
from service.errors import Refused
from service.settings import Settings


class PdfReader:
    """A pool of one process: PDFs wait for one another, images do not wait for PDFs. No thread waits for the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = ProcessPool(max_workers=1, context=get_context("spawn"))  # a fork would copy the model's threads' locks

    async def read(self, data: bytes) -> list[tuple[PageImage, bool]]:
        """Every image of every page, and whether it is the last one and repeats the first. Raises Refused."""
        settings = self.settings
        reading = self.pool.schedule(_read, (data, settings.max_pages, settings.max_pixels), timeout=settings.max_seconds)
        try:
            return await asyncio.wrap_future(reading)
        except UnreadablePdf as error:
            raise Refused("not_a_pdf" if "not a PDF" in str(error) else "unreadable_pdf", str(error)) from error
        except TooLong as error:
            raise Refused("unreadable_pdf", f"not read within {settings.max_seconds:g} s") from error
        except ProcessExpired as error:
            raise Refused("unreadable_pdf", "damaged: reading it ended the process") from error


def _read(data: bytes, max_pages: int, max_pixels: int) -> list[tuple[PageImage, bool]]:
    images = list(page_images(open_pdf(data, max_pages), "embedded", 72, max_pixels))
    repeat = is_repeat([hashlib.sha256(image.data).hexdigest() for image in images if image.data])
    last = next((image for image in reversed(images) if image.data), None)
    return [(image, repeat and image is last) for image in images]
