"""The model's threads: blocking work for the event loop.

A `ThreadPoolExecutor` does the same; what these do otherwise, and what each of it gains, is in benchmarks/README.md.
"""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
Settle = Callable[[asyncio.Future[Any], Any], None]

TOGETHER = 3  # results that go back at a time while work waits


class Threads:
    """A few threads for one event loop, which take work in its order.

    While more work waits, results go back together: a forward pass empties the caches, and to wake the loop into them
    costs more than what it then does. Where there are as many threads as cores, each stays on a core of its own.
    """

    def __init__(self, count: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]]] = SimpleQueue()
        self.done: deque[tuple[Settle, asyncio.Future[Any], Any]] = deque()
        for number, core in enumerate(own_cores(count)):
            threading.Thread(target=self._work, args=(core,), name=f"predict_{number}", daemon=True).start()

    def run(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """What the work returns or raises. Cancelled before its turn, it is not done."""
        future: asyncio.Future[Result] = self.loop.create_future()
        self.waiting.put((work, future))
        return future

    def _work(self, core: int | None) -> None:
        if core is not None and sys.platform == "linux":
            os.sched_setaffinity(threading.get_native_id(), {core})
        while True:
            self._perform(*self.waiting.get())
            if self.loop.is_closed():  # nobody is left to ask or to be told
                return
            # Whoever takes what waits asks this again, so no result stays behind.
            if self.waiting.empty() or len(self.done) >= TOGETHER:
                self.loop.call_soon_threadsafe(self._hand_back)

    def _perform(self, work: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            return
        try:
            self.done.append((asyncio.Future.set_result, future, work()))
        except BaseException as error:  # handed on to who waits, as an executor does
            self.done.append((asyncio.Future.set_exception, future, error))
        finally:
            del work, future  # the error's traceback keeps this frame, which would keep the error: a circle that holds a body

    def _hand_back(self) -> None:
        while self.done:
            settle, future, outcome = self.done.popleft()
            if not future.cancelled():
                settle(future, outcome)


def own_cores(count: int) -> Sequence[int | None]:
    """A core for each of so many threads, where there are as many of both, and None for each otherwise.

    Between cores a thread leaves its caches behind; with fewer threads than cores the others' work decides which is free.
    """
    cores: set[int] = os.sched_getaffinity(0) if sys.platform == "linux" else set()
    return sorted(cores) if len(cores) == count else [None] * count
