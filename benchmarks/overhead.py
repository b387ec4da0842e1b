"""What a request costs beyond decoding and forward pass, and how soon a finished answer is handed back. No network.

python -m benchmarks.overhead      after `make repro`
"""

import asyncio
import io
import os
import tempfile
import time
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import uvloop
from PIL import Image
from starlette.types import ASGIApp, Message

from benchmarks.peers import MODEL, fastapi_app
from benchmarks.serving import as_form, jpegs
from quire.demo.drawing import encoded
from service.inference import Inference, Sent

REQUESTS, ROUNDS = 300, 15
RAW, FORM = "image/jpeg", "multipart/form-data; boundary=x"


async def ask(app: ASGIApp, body: bytes, kind: str) -> None:
    """One request, as uvicorn hands it to the application."""
    headers = [(b"host", b"x"), (b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/v1/classify",
        "raw_path": b"/v1/classify",
        "query_string": b"",
    }
    scope |= {"headers": headers, "scheme": "http", "http_version": "1.1", "server": ("x", 80), "root_path": "", "state": {}}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200

    await app(scope, receive, send)


async def cost(app: ASGIApp, body: bytes, kind: str) -> float:
    """Microseconds of processor a request, those of all threads."""
    start = time.process_time()
    for _ in range(REQUESTS):
        await ask(app, body, kind)
    return 1e6 * (time.process_time() - start) / REQUESTS


async def handed_back(inference: Inference) -> list[float]:
    """Milliseconds from the end of short work to its answer, while a large image is classified beside it."""
    large, waited = encoded(Image.new("RGB", (4000, 3000))), []
    for _ in range(50):
        other = asyncio.create_task(inference.run([lambda: inference.classify(Sent(large))]))
        (finished,) = await inference.run([time.perf_counter])
        waited.append(1000 * (time.perf_counter() - finished))
        await other
    return waited


async def main() -> None:
    from service import classify
    from service.app import Quire, app
    from service.telemetry import RequestLog

    image, sink, bento = jpegs(1)[0], io.StringIO(), Quire.to_asgi()  # type: ignore[attr-defined]
    async with bento.router.lifespan_context(bento):
        state = app.state.quire
        ready = state.inference.classify(image)
        bare = fastapi_app(lambda _: np.array(list(ready.answer.probabilities.values()), np.float32))
        parts: dict[str, tuple[ASGIApp, str, tuple[Any, str] | None]] = {
            "a request, the image as the body": (bento, RAW, None),
            "a request, the image in a form": (bento, FORM, None),
            "FastAPI with ONNX Runtime, bare": (bare, RAW, None),
            "without BentoML's layers": (app, RAW, None),
            "without the log of answers": (bento, RAW, (state.store, "log")),
            "without the line and the metrics of the request": (bento, RAW, (RequestLog, "_write")),
            "without the metrics of the answer": (bento, RAW, (classify, "count")),
        }
        costs: dict[str, list[float]] = {name: [] for name in parts}
        with patch.object(state.inference, "classify", lambda _: replace(ready, id=os.urandom(16).hex())):
            for name, (asked, kind, left_out) in ROUNDS * list(parts.items()):
                with patch.object(*left_out, lambda *_: None) if left_out else nullcontext(), redirect_stdout(sink):
                    costs[name].append(await cost(asked, as_form(image) if kind == FORM else image, kind))
        middle, most = np.quantile(await handed_back(state.inference), (0.5, 0.9))
    print(f"fastest of {ROUNDS} rounds of {REQUESTS} requests, 500×375, their answer ready\n\n| | µs of processor |\n|---|---|")
    print("\n".join(f"| {name} | {min(each):.0f} |" for name, each in costs.items()))
    print(f"\nhanded back after {middle:.2f} ms, nine of ten within {most:.2f}, beside JPEGs of 12 megapixels")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"QUIRE_MODEL": str(MODEL), "QUIRE_STORE": f"{folder}/store", "QUIRE_METRICS_FOLDER": folder}
        uvloop.run(main())
