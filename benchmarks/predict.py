"""Images a second of `quire predict`, against decode and forward in one process: the same threads, images and weights, in turns.

python -m benchmarks.predict [IMAGES]      after `make repro`
"""

import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import MODEL, onnx_classifier
from benchmarks.serving import jpegs, share
from quire.command import machine
from quire.lifecycle.predict import predict

ROUNDS = 7


class Pace(NamedTuple):
    """Images a second by the clock, and of the processor: another's work on the same cores moves the second little."""

    clock: float
    processor: float


def paced(work: Callable[[], object], count: int) -> Pace:
    start, used = time.perf_counter(), time.process_time()
    work()
    return Pace(count / (time.perf_counter() - start), count / (time.process_time() - used))


def limit(files: list[Path]) -> None:
    """A thread pool that reads, decodes and predicts, and keeps nothing; the loading of the model is part of it."""
    classify = onnx_classifier()
    with ThreadPoolExecutor(machine().threads) as pool:
        deque(pool.map(lambda file: classify(file.read_bytes()), files), maxlen=0)


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 1000
    images = jpegs()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for number in range(count):
            (folder / "in" / f"{number:06}.jpg").write_bytes(images[number % len(images)])
        files = sorted((folder / "in").iterdir())
        limit(files[:100])  # warm
        pairs = []
        for _ in range(ROUNDS):
            mine = paced(lambda: predict([folder / "in"], folder / "answers.csv", MODEL), count)
            pairs.append((mine, paced(lambda: limit(files), count)))
    print(f"{count} JPEGs of 500×375, {machine().threads} threads, {ROUNDS} rounds in turns, images a second:")
    for kind in Pace._fields:
        ours, limits = ([getattr(pace, kind) for pace in side] for side in zip(*pairs, strict=True))
        print(f"{kind}: predict {statistics.median(ours):.1f}, in process {statistics.median(limits):.1f}, {share(ours, limits)}")


if __name__ == "__main__":
    main()
