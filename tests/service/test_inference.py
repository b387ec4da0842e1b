"""The model's threads, as the routes use them."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from service.errors import Refused
from service.inference import Inference
from service.settings import Settings
from tests.quire.model.test_predictor import write_model

SECONDS = 10  # that work waits for other work before the test fails


@pytest.fixture
def inference(tmp_path: Path) -> Iterator[Inference]:
    """The test's model on two threads."""
    made = Inference(Settings(model=write_model(tmp_path), threads=2, max_requests=2))
    yield made
    made.threads.shutdown()


def wait(event: threading.Event) -> None:
    assert event.wait(SECONDS)


def test_a_finished_answer_is_handed_back_at_once_whatever_else_runs(inference: Inference) -> None:
    answered = threading.Event()
    long = partial(wait, answered)  # ends only when the short work's answer has arrived

    async def ask() -> None:
        first_long, short, *others = (asyncio.create_task(inference.run([work])) for work in (long, lambda: None, long, long))
        await short
        answered.set()
        await asyncio.gather(first_long, *others)

    asyncio.run(ask())


def test_results_come_back_in_order_and_an_error_to_who_asked(inference: Inference) -> None:
    assert asyncio.run(inference.run([lambda: 1, lambda: 2, lambda: 3])) == [1, 2, 3]
    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(inference.run([lambda: 1, lambda: int("x")]))


def test_as_much_work_runs_side_by_side_as_there_are_threads(inference: Inference) -> None:
    together = threading.Barrier(2, timeout=SECONDS)  # opens only when two threads stand before it at once
    assert sorted(asyncio.run(inference.run([together.wait, together.wait]))) == [0, 1]


def test_cancelled_work_is_not_begun_and_its_thread_goes_on(inference: Inference) -> None:
    begun, go_on, done = threading.Barrier(3, timeout=SECONDS), threading.Event(), list[str]()

    def work() -> None:
        begun.wait()
        wait(go_on)

    async def ask() -> list[int]:
        under_way = asyncio.create_task(inference.run([work, work]))
        waiting = asyncio.create_task(inference.run([lambda: done.append("begun")]))
        await asyncio.to_thread(begun.wait)
        for task in (under_way, waiting):
            task.cancel()
        await asyncio.wait([under_way, waiting])
        go_on.set()
        return await inference.run([lambda: 3])

    assert asyncio.run(ask()) == [3]
    assert done == []


def test_more_requests_than_configured_are_refused_until_one_ends(inference: Inference) -> None:
    with inference.slot():
        with inference.slot(), pytest.raises(Refused, match="2 requests are under way"), inference.slot():
            pass
        with inference.slot():
            assert inference.under_way == 2
    assert inference.under_way == 0
