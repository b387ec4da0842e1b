"""The application. Each route reads its upload itself: BentoML's typed inputs answer hostile ones with 500 and fetch URLs."""

import json
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from service.classify import classify, classify_batch, classify_pdf, upload
from service.errors import Refused, answer_fault, answer_http_error, answer_refusal
from service.reload import reload
from service.request import State, allowed, as_json, on, received
from service.schema import Facts, Feedback, Health
from service.telemetry import FEEDBACK, RequestLog, series
from service.upload import BodyLimit, is_form

PAGE = Path(__file__).with_name("page")
# The page's own script, style and answers; no address outside the service.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # a new release's script belongs to its page
}


def create_app() -> Starlette:
    """The application; `app.state.quire` is set before the first request."""
    app = Starlette(
        routes=[
            Route("/v1/classify", classify, methods=["POST"]),
            Route("/v1/classify/batch", classify_batch, methods=["POST"]),
            Route("/v1/classify/pdf", classify_pdf, methods=["POST"]),
            Route("/v1/feedback", feedback, methods=["POST"]),
            Route("/v1/model", model),
            Route("/v1/reload", reload, methods=["POST"]),
            Route("/upload", upload, methods=["POST"]),
            Route("/health", health),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            Route("/", page),
            Route("/page.css", page_style),
            Route("/page.js", page_script),
        ],
        middleware=[Middleware(RequestLog), Middleware(BodyLimit)],
        exception_handlers={Refused: answer_refusal, HTTPException: answer_http_error, Exception: answer_fault},
    )
    app.router.redirect_slashes = False
    return app


async def feedback(request: Request) -> Response:
    """Take the right label for an answer's id: JSON, or a form with `id`, `label` and perhaps the `image`."""
    subject = await allowed(request, "feedback")
    state: State = request.app.state.quire
    body = await received(request, "image")
    texts, image = (body.texts, next(iter(body.files), None)) if is_form(request) else (_json_object(body.files[0]), None)
    if not all(isinstance(texts.get(name), str) for name in ("id", "label")):
        raise Refused("wrong_field", "the texts 'id' and 'label' are both needed")
    given, labels = Feedback(id=texts["id"], label=texts["label"]), state.inference.predictor.labels
    agrees = await on(state.feedback_thread, state.store.give_label, given.id, given.label, labels, subject, image)
    series(FEEDBACK, str(agrees).lower()).inc()
    return as_json(given, 201)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", f"the body is not JSON: {error}") from error
    return content if isinstance(content, dict) else {}


async def model(request: Request) -> Response:
    """What the present model takes and answers, and when it decides."""
    await allowed(request)
    loaded = request.app.state.quire.inference.loaded
    manifest, least = loaded.predictor.manifest, loaded.predictor.thresholds.min_confidence
    return as_json(Facts(model=loaded.model, labels=manifest.labels, inputs=sorted(manifest.inputs), min_confidence=least))


async def health(request: Request) -> Response:
    """OK when the model answers."""
    state: State = request.app.state.quire
    await run_in_threadpool(state.inference.warm_up)
    return as_json(Health(status="OK"))


async def metrics(_: Request) -> Response:
    """What all workers counted, as Prometheus reads it."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(await run_in_threadpool(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)


async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.state.quire.openapi)


async def page(_: Request) -> FileResponse:
    """The page for people."""
    return FileResponse(PAGE / "index.html", headers=PAGE_HEADERS)


async def page_style(_: Request) -> FileResponse:
    """How the page looks."""
    return FileResponse(PAGE / "page.css", headers=PAGE_HEADERS)


async def page_script(_: Request) -> FileResponse:
    """What the page does."""
    return FileResponse(PAGE / "page.js", headers=PAGE_HEADERS)
