"""The routes. Each reads its upload itself: BentoML's typed inputs answer hostile ones with 500 and fetch URLs."""

import asyncio
import base64
import hashlib
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from quire.decode import decode
from service import schema
from service.auth import Tokens
from service.engine import Engine, Given, Origin
from service.errors import Refused, answer_refusal
from service.settings import Settings
from service.store import Store
from service.telemetry import FEEDBACK, REJECTED, UNDER_WAY, RequestLog, count, export_zeros, series
from service.upload import BodyLimit, only_file, read_upload

PAGE = Path(__file__).with_name("page.html")


class State:
    """What the routes work with; made once a worker by `service.app`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = Engine(settings)
        self.store = Store(settings, self.engine.model["version"])
        self.tokens = Tokens(settings) if settings.oidc_issuer else None
        self.pdf = _pdf_reader(settings)
        self.receiving = 0
        self.held = 0  # bytes of bodies
        export_zeros()
        UNDER_WAY.set_function(lambda: self.engine.under_way)


def _pdf_reader(settings: Settings) -> Any:
    try:
        from service.pdf_route import PdfReader  # noqa: PLC0415 - an optional part
    except ImportError:  # without the group `pdf`, as the container is by default
        return None
    return PdfReader(settings)


def create_app() -> Starlette:
    """The application; `app.state.quire` is set before the first request."""
    return Starlette(
        routes=[
            Route("/v1/classify", classify, methods=["POST"]),
            Route("/v1/classify/batch", classify_batch, methods=["POST"]),
            Route("/v1/classify/pdf", classify_pdf, methods=["POST"]),
            Route("/v1/feedback", feedback, methods=["POST"]),
            Route("/upload", upload, methods=["POST"]),
            Route("/health", health),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            Route("/", page),
            Route("/{anything:path}", nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ],
        middleware=[Middleware(RequestLog), Middleware(BodyLimit)],
        exception_handlers={Refused: answer_refusal, HTTPException: _answer_http_error},
    )


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed"}
    request.state.refused = codes.get(error.status_code, "malformed")
    response = Refused(request.state.refused, f"{request.method} {request.url.path}: {error.detail}").response()
    response.headers.update(error.headers or {})
    return response


async def _allowed(request: Request, feedback: bool = False) -> str:
    """Who asks. Raises Refused where a token is needed and does not allow it."""
    state: State = request.app.state.quire
    if state.tokens is None:
        return "unnamed"
    scope = state.settings.oidc_feedback_scope if feedback else state.settings.oidc_scope
    return await asyncio.to_thread(state.tokens.check, request.headers.get("authorization"), scope)


async def _received(request: Request, field: str, max_files: int = 1) -> Any:
    """The upload, with a bound on how many are being received at a time."""
    state: State = request.app.state.quire
    if state.engine.under_way >= state.settings.max_requests or state.receiving >= state.settings.max_uploads:
        raise Refused("busy", "too many requests are under way; try again in a second")
    state.receiving += 1
    try:
        return await read_upload(request, field, max_files, state.settings.max_seconds)
    finally:
        state.receiving -= 1


def _answered(state: State, data: bytes, origin: Origin | None = None) -> Given:
    given = state.engine.classify(data)
    state.store.log(given, data, origin)
    count(given.answer)
    return given


def _row(state: State, data: bytes, origin: Origin | None = None) -> dict[str, Any]:
    try:
        return state.engine.render(_answered(state, data, origin))
    except Refused as refusal:
        series(REJECTED, refusal.code).inc()
        return refusal.body


async def _classified(request: Request, field: str) -> tuple[Given, bytes]:
    await _allowed(request)
    state: State = request.app.state.quire
    data = only_file(await _received(request, field), field)
    given = await state.engine.run(partial(_answered, state, data))
    request.state.answers = [given.answer.decision]
    return given, data


async def classify(request: Request) -> JSONResponse:
    """Say what is on one image, sent as the multipart field `image` or as the raw body.

    `?explain=true` adds `why`: the places of the image that speak for the answer.
    """
    given, data = await _classified(request, "image")
    engine: Engine = request.app.state.quire.engine
    answer = engine.render(given)
    if request.query_params.get("explain") == "true":
        answer["why"] = await engine.run(partial(engine.explain, data, given.answer))
    return JSONResponse(answer)


async def classify_batch(request: Request) -> JSONResponse:
    """Say what is on several images, sent as multipart fields `images`; answers in their order, each its own."""
    await _allowed(request)
    state: State = request.app.state.quire
    files = (await _received(request, "images", state.settings.max_images)).files
    if not files or not request.headers.get("content-type", "").startswith("multipart/"):
        raise Refused("wrong_field", "the form has no file in the field 'images'")
    with state.engine.slot():
        rows = await state.engine.on_threads([partial(_row, state, data) for data in files])
    request.state.answers = [row.get("decision") for row in rows]
    return JSONResponse({"answers": rows})


async def classify_pdf(request: Request) -> JSONResponse:
    """Say what is on each image of each page of a PDF, sent as the multipart field `pdf` or as the raw body.

    `?thumbnails=true` adds a small image to each row.
    """
    await _allowed(request)
    state: State = request.app.state.quire
    if state.pdf is None:
        raise Refused("no_pdf_support", "this service was installed without its PDF part; send the images")
    data = only_file(await _received(request, "pdf"), "pdf")
    document = hashlib.sha256(data).hexdigest()
    thumbnails = request.query_params.get("thumbnails") == "true"
    with state.engine.slot():
        images = await asyncio.to_thread(state.pdf.read, data)  # waits for its process, not on the model's threads
        works = [partial(_page_row, state, document, image, repeat, thumbnails) for image, repeat in images]
        rows = await state.engine.on_threads(works)
    request.state.answers = [row.get("decision") for row in rows]
    return JSONResponse({"images": rows})


def _page_row(state: State, document: str, image: Any, repeat: bool, thumbnails: bool) -> dict[str, Any]:
    place = {"page": image.page, "index": image.index, "repeat": repeat}
    if image.problem:
        series(REJECTED, "damaged_image").inc()
        return place | Refused("damaged_image", image.problem).body
    row = place | _row(state, image.data, Origin(document, image.page, image.index))
    return row | {"thumbnail": _thumbnail(image.data)} if thumbnails and "error" not in row else row


def _thumbnail(data: bytes) -> str:
    image, buffer = decode(data), io.BytesIO()
    image.thumbnail((320, 320))
    image.save(buffer, "JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


async def feedback(request: Request) -> JSONResponse:
    """Take the right label for an answer's id: JSON, or a form with `id`, `label` and perhaps the `image`."""
    subject = await _allowed(request, feedback=True)
    state: State = request.app.state.quire
    received = await _received(request, "image")
    texts, image = received.texts, (received.files or [None])[0]
    if not request.headers.get("content-type", "").startswith("multipart/"):
        texts, image = _json(image or b""), None
    if not all(isinstance(texts.get(name), str) for name in ("id", "label")):
        raise Refused("wrong_field", "the texts 'id' and 'label' are both needed")
    labels = state.engine.predictor.labels
    agrees = await asyncio.to_thread(state.store.give_label, texts["id"], texts["label"], labels, subject, image)
    series(FEEDBACK, str(agrees).lower()).inc()
    return JSONResponse({"id": texts["id"], "label": texts["label"]}, 201)


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", f"the body is not JSON: {error}") from error
    return content if isinstance(content, dict) else {}


async def upload(request: Request) -> JSONResponse:
    """As the earlier API answered: the field `file`, a capitalised prediction, and the probabilities as `values`."""
    answer = (await _classified(request, "file"))[0].answer
    return JSONResponse({"prediction": answer.prediction.capitalize(), "values": list(answer.probabilities.values())})


async def health(request: Request) -> JSONResponse:
    """OK when the model answers."""
    await asyncio.to_thread(request.app.state.quire.engine.warm_up)
    return JSONResponse({"status": "OK"})


async def metrics(_: Request) -> Response:
    """What all workers counted, as Prometheus reads it."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def openapi(_: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(schema.OPENAPI)


async def nothing(request: Request) -> Response:
    """What no route answers, BentoML's own page with its third-party scripts included."""
    known = request.url.path in schema.OPENAPI["paths"]
    raise HTTPException(405, "no such method here") if known else HTTPException(404, "no such route")


async def page(_: Request) -> HTMLResponse:
    """The page for people."""
    return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": schema.PAGE_POLICY})
