"""What a process that reads files of strangers may use: memory, processor time, and no life beyond its parent's."""

import ctypes
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quire import memory

MB = 1_000_000
NO_MEMORY = {"FzErrorSystem"}  # by name: who reads no PDFs has no MuPDF
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux' prctl


class MemoryBound(Exception):
    """A file needs more memory than one may have."""


def confine(max_memory: int, max_pixels: int) -> None:
    """Confine this process to `max_memory` MB and what an image of `max_pixels` takes as RGB, and end it with its parent.

    Called once, in a worker. Only Linux says what a process holds and ends children; elsewhere the processor time alone bounds.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        more = max_memory * MB + 3 * max_pixels - _held()
        _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + more)


def _held() -> int:
    """The bytes that this process alone holds: what a fork shares with its parent, which may hold a lot, is not its own."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


def allow_processor_time(seconds: float) -> None:
    """Let the kernel stop this process after so much more processor time, rounded up to a second."""
    used = sum(os.times()[:2])
    _lower(resource.RLIMIT_CPU, math.ceil(used + seconds))


@contextmanager
def within_memory(max_memory: int) -> Iterator[None]:
    """Raise MemoryBound where a confined process is out of memory; where it is not confined, that is the machine's error."""
    try:
        yield
    except Exception as error:
        if not is_no_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # which hold what took the memory
        if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
            raise MemoryError(str(error)) from error
        raise MemoryBound(f"it needs more memory than the limit of {max_memory} MB") from None


def is_no_memory(error: Exception) -> bool:
    """Whether an error says that there is no memory; MuPDF has its own."""
    return memory.is_no_memory(error) or type(error).__name__ in NO_MEMORY


def died(exit_code: int) -> str:
    """Why a process ended that its file ended. Raises OSError where the machine did, as by its out-of-memory killer."""
    number = -exit_code
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGBUS):
        raise OSError(f"a process that reads files was ended by {signal.Signals(number).name}: too little memory, or someone did")
    return f"reading it ended the process ({signal.Signals(number).name if number > 0 else exit_code})"


def _lower(limit: int, soft: int) -> None:
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
