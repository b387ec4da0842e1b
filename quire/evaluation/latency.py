"""How long an answer takes on this machine: no result, so it stays outside dvc.lock."""

import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from quire.model.predictor import Predictor

TIMED = 50  # items


class Latency(TypedDict):
    """Milliseconds from encoded bytes and text to an answer, one item and one thread: the median and the 95th percentile."""

    items: int
    p50_ms: float
    p95_ms: float


def latency(predictor: Predictor, items: Iterable[tuple[Path | None, str | None]]) -> Latency:
    """Measure the answers for some items, each an image's file, a text, or both."""
    milliseconds = sorted(_timed(predictor, file.read_bytes() if file else None, text) for file, text in items)
    return {
        "items": len(milliseconds),
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(milliseconds[int(len(milliseconds) * 0.95)], 2),
    }


def _timed(predictor: Predictor, data: bytes | None, text: str | None) -> float:
    start = time.perf_counter()
    predictor.classify_content(data, text)
    return 1000 * (time.perf_counter() - start)
