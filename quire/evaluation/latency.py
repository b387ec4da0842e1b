"""How long an answer takes on this machine: no result, so it stays outside dvc.lock."""

import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from quire.model.predictor import Predictor

TIMED = 50  # images


class Latency(TypedDict):
    """Milliseconds from encoded bytes to an answer, one image and one thread: the median and the 95th percentile."""

    images: int
    p50_ms: float
    p95_ms: float


def latency(predictor: Predictor, files: Iterable[Path]) -> Latency:
    """Measure the answers for some images."""
    milliseconds = sorted(_timed(predictor, file.read_bytes()) for file in files)
    return {
        "images": len(milliseconds),
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(milliseconds[int(len(milliseconds) * 0.95)], 2),
    }


def _timed(predictor: Predictor, data: bytes) -> float:
    start = time.perf_counter()
    predictor.classify(data)
    return 1000 * (time.perf_counter() - start)
