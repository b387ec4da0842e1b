"""Want of memory, told from damage."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

NO_MEMORY = ("out of memory", "codec configuration error")  # in messages; the second is Pillow's where zlib gets none
WORKING = 12  # bytes a pixel that a decoder may take beside the image: a progressive JPEG's coefficients, an AVIF's frames


def is_no_memory(error: Exception) -> bool:
    """Whether an error says that there is no memory, in its type or in a codec's words."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY)


@contextmanager
def telling_memory(size: tuple[int, int]) -> Iterator[None]:
    """Raise MemoryError where a decoder fails for want of memory.

    libjpeg, libwebp and dav1d call that what they call damage, so the memory that they may need is asked for once more.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if is_no_memory(error) or not _has_room(WORKING * size[0] * size[1]):
            raise MemoryError(str(error)) from error
        raise


def _has_room(count: int) -> bool:
    """Whether this process may take so many bytes more; none of them is touched."""
    try:
        mmap.mmap(-1, max(count, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)).close()
    except OSError:
        return False
    return True
