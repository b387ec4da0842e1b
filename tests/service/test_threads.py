import asyncio
import gc
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from service.threads import TOGETHER, Threads, own_cores


def test_results_come_back_to_who_asked_and_errors_too() -> None:
    async def ask() -> list[int | BaseException]:
        threads = Threads(2)
        works: list[Callable[[], int]] = [lambda: 1, lambda: int("x"), lambda: 3]
        return await asyncio.gather(*map(threads.run, works), return_exceptions=True)

    first, second, third = asyncio.run(ask())
    assert (first, third) == (1, 3)
    assert isinstance(second, ValueError)


def test_so_many_pieces_of_work_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)  # opens only when three threads stand before it at once

    async def ask() -> list[int]:
        threads = Threads(3)
        return await asyncio.gather(*(threads.run(together.wait) for _ in range(3)))

    assert sorted(asyncio.run(ask())) == [0, 1, 2]


def test_cancelled_work_is_not_begun_and_a_cancelled_answer_is_dropped() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def wait() -> None:
        begun.set()
        assert go_on.wait(10)

    async def ask() -> int:
        threads = Threads(1)
        under_way, waiting = threads.run(wait), threads.run(lambda: done.append("begun"))
        await asyncio.to_thread(begun.wait, 10)
        under_way.cancel()
        waiting.cancel()
        go_on.set()
        return await asyncio.wait_for(threads.run(lambda: 3), 10)  # the thread is well

    assert asyncio.run(ask()) == 3
    assert done == []


def test_results_go_back_together_while_work_waits_and_none_stays_behind() -> None:
    begun, go_on, answered, told = threading.Event(), threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        begun.set()
        assert go_on.wait(10)
        assert number < TOGETHER or answered.wait(10)  # the first results do not wait for all work to be done
        time.sleep(0.02)  # the loop has the time to tell an answer
        told.append(f"work {number}")

    def answer(_: asyncio.Future[None]) -> None:
        told.append("answer 0")
        answered.set()

    async def ask() -> None:
        threads = Threads(1)
        futures = [threads.run(partial(work, number)) for number in range(TOGETHER + 2)]
        futures[0].add_done_callback(answer)
        cancelled = threads.run(partial(work, TOGETHER + 2))  # it is not done, and must not leave the others behind
        await asyncio.to_thread(begun.wait, 10)
        cancelled.cancel()
        go_on.set()
        await asyncio.wait_for(asyncio.gather(*futures), 20)

    asyncio.run(ask())
    works = [f"work {number}" for number in range(TOGETHER + 2)]
    assert told == [*works[:TOGETHER], "answer 0", *works[TOGETHER:]]


def test_a_thread_at_work_ends_quietly_when_its_loop_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, others = threading.Event(), threading.Event(), set(threading.enumerate())
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def wait() -> None:
        begun.set()
        assert go_on.wait(10)

    async def leave() -> None:
        Threads(1).run(wait)
        await asyncio.to_thread(begun.wait, 10)

    asyncio.run(leave())
    (left,) = (thread for thread in threading.enumerate() if thread not in others and thread.name == "predict_0")
    go_on.set()
    left.join(10)
    assert not left.is_alive()
    assert raised == []


def test_nothing_of_refused_work_is_kept() -> None:
    class Body:
        """Stands for the bytes of an image."""

    async def ask() -> weakref.ref[Body]:
        body = Body()

        def refuse(body: Body = body) -> None:
            raise ValueError(body)

        with pytest.raises(ValueError, match="Body"):
            await Threads(1).run(refuse)
        return weakref.ref(body)

    gc.disable()  # reference counts alone free it
    try:
        assert asyncio.run(ask())() is None
    finally:
        gc.enable()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a thread choose its core")
def test_as_many_threads_as_cores_stay_on_a_core_each() -> None:
    cores = os.sched_getaffinity(0)
    assert set(own_cores(len(cores))) == cores
    assert set(own_cores(len(cores) + 1)) == {None}

    async def where(count: int) -> list[set[int]]:
        threads, together = Threads(count), threading.Barrier(count, timeout=10)

        def affinity() -> set[int]:
            together.wait()
            return os.sched_getaffinity(0)

        return await asyncio.gather(*(threads.run(affinity) for _ in range(count)))

    assert sorted(map(tuple, asyncio.run(where(len(cores))))) == [(core,) for core in sorted(cores)]
    assert asyncio.run(where(len(cores) + 1)) == [cores] * (len(cores) + 1)
