"""What an operator sees: Prometheus metrics and one JSON line a request on standard output."""

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from functools import cache
from typing import Any, get_args

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quire.model.predictor import Answer, Reason

# BentoML gives all services of a user one folder for what their workers count, and empties it whenever one starts.
FOLDER, OWN_FOLDER = "PROMETHEUS_MULTIPROC_DIR", "QUIRE_METRICS_FOLDER"
if OWN_FOLDER in os.environ:
    os.environ[FOLDER] = os.environ[OWN_FOLDER]  # before the first counter is made: it opens its file there

REQUESTS = Counter("quire_requests", "Requests answered, by route and status", ["route", "status"])
LATENCY = Histogram("quire_request_seconds", "Seconds from the request's head to the end of the answer", ["route"])
ANSWERS = Counter("quire_answers", "Images answered, by prediction", ["prediction"])
UNSURE_ANSWERS = Counter("quire_unsure_answers", "Images answered with unsure, by reason", ["reason"])
CONFIDENCE = Histogram("quire_confidence", "Probability of the prediction", buckets=[n / 20 for n in range(1, 21)])
FEEDBACK = Counter("quire_feedback", "Labels that people sent, by whether they confirm the prediction", ["agrees"])
REJECTED = Counter("quire_rejected", "Images and requests refused, by reason", ["reason"])
RELOADS = Counter("quire_reloads", "Times that another model was asked for, by outcome", ["outcome"])
LOG_ERRORS = Counter("quire_log_errors", "Times that answers, images or labels could not be kept")
UNDER_WAY = Gauge("quire_requests_under_way", "Requests being answered or waiting for it", multiprocess_mode="livesum")


@cache
def series(metric: Any, *labels: object) -> Any:
    """A metric's series for these labels. It is looked up once, because the look-up takes longer than counting."""
    return metric.labels(*labels)


def make_folder() -> None:
    """Make a folder for the counters of this service. Its workers inherit it; it is deleted when this process ends."""
    os.environ[OWN_FOLDER] = tempfile.mkdtemp(prefix="quire-metrics-")
    atexit.register(shutil.rmtree, os.environ[OWN_FOLDER], ignore_errors=True)


def export_zeros() -> None:
    """Make, at zero, the series whose rates are watched: Prometheus computes no rate from a series' first value."""
    for reason in get_args(Reason):
        series(UNSURE_ANSWERS, reason)
    for outcome in ("done", "refused"):
        series(RELOADS, outcome)
    for agrees in ("true", "false"):
        series(FEEDBACK, agrees)


def count(answer: Answer) -> None:
    """Count an answer."""
    series(ANSWERS, answer.prediction).inc()
    CONFIDENCE.observe(answer.confidence)
    if answer.reason:
        series(UNSURE_ANSWERS, answer.reason).inc()


class RequestLog:
    """ASGI middleware: an id for each request, in its answer's X-Request-ID, in its log line and in its metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, timed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, request_id = time.perf_counter(), 499, os.urandom(16).hex()  # 499: the client went away
        scope.setdefault("state", {})

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception:
            status = 500
            raise
        finally:
            self._write(scope, status, time.perf_counter() - start, request_id)

    def _write(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = scope["path"] if "route" in scope else "none"  # made-up paths make no new series
        series(REQUESTS, route, status).inc()
        series(LATENCY, route).observe(seconds)
        refused = scope["state"].get("refused")
        if refused:
            series(REJECTED, refused).inc()
        line = {"time": round(time.time(), 3), "request": request_id, "method": scope["method"], "path": scope["path"]}
        line |= {"status": status, "ms": round(1000 * seconds, 2), "refused": refused, "answers": scope["state"].get("answers")}
        sys.stdout.write(json.dumps({name: value for name, value in line.items() if value is not None}) + "\n")
