"""The service with one thing that its threads do done as an executor does it, or nothing. Started by benchmarks.threads.

WITHOUT=cores|together|threads|nothing bentoml serve benchmarks.executor:Quire
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service import engine, threads
from service.app import Quire as Quire  # noqa: PLC0414 - what BentoML is to serve


class Executor:
    """As `Threads`, of a ThreadPoolExecutor."""

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count)

    def run(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """What the work returns or raises."""
        return asyncio.get_running_loop().run_in_executor(self.pool, work)


def _replace(what: str) -> None:
    if what == "cores":
        threads.own_cores = lambda count: [None] * count
    elif what == "together":
        threads.TOGETHER = 1
    elif what == "threads":
        engine.Threads = Executor  # type: ignore[assignment, attr-defined]


_replace(os.environ["WITHOUT"])
