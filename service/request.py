"""What the routes work with, and what all of them do with a request: who sends it, what it carries, what it asks for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.auth import Tokens
from service.errors import Refused
from service.inference import Inference
from service.openapi import document
from service.settings import Settings, Use
from service.store import Store
from service.telemetry import UNDER_WAY, export_zeros
from service.upload import Upload, read_upload

if TYPE_CHECKING:
    from service.pdf import PdfReader

Result = TypeVar("Result")


class State:
    """The model, the store, the issuer's keys, the reader of PDFs, and what is being received: made once a worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inference = Inference(settings)
        self.store = Store(settings)
        self.tokens = Tokens(settings) if settings.oidc_issuer else None
        self.pdf = _pdf_reader(settings)
        self.openapi = document(settings)
        self.receiving = 0  # requests
        self.held = 0  # bytes of bodies
        self.feedback_thread = ThreadPoolExecutor(1, "feedback")  # so that nothing else waits for the disk
        export_zeros()
        UNDER_WAY.set_function(lambda: self.inference.under_way)


def _pdf_reader(settings: Settings) -> "PdfReader | None":
    try:
        from service.pdf import PdfReader  # noqa: PLC0415 - an optional part
    except ImportError:  # without the group `pdf`, as the container is by default
        return None
    return PdfReader(settings)


async def on(thread: Executor, work: Callable[..., Result], *arguments: object) -> Result:
    """What blocking work returns or raises that runs on a thread."""
    return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)


async def allowed(request: Request, use: Use = "predict") -> str:
    """Who asks, as the issuer names them. Raises Refused where a token is needed and does not allow it."""
    state: State = request.app.state.quire
    if state.tokens is None:
        if use == "admin" and state.settings.public_without_auth:
            raise Refused("forbidden", "this is the operator's, and without QUIRE_OIDC_ISSUER everybody could be")
        return ""
    return await state.tokens.check(request.headers.get("authorization"), state.settings.scope_of(use))


async def received(request: Request, field: str, max_files: int = 1) -> Upload:
    """The upload, with a bound on how many are being received at a time. Raises Refused."""
    state: State = request.app.state.quire
    if state.inference.under_way >= state.settings.max_requests or state.receiving >= state.settings.max_uploads:
        raise Refused("busy", "too many requests are under way; try again in a second")
    state.receiving += 1
    try:
        return await read_upload(request, field, max_files, state.settings.max_seconds)
    finally:
        state.receiving -= 1


def asks_for(request: Request, parameter: str) -> bool:
    """Whether a parameter of the query is true."""
    return request.query_params.get(parameter, "").lower() in ("true", "1")


def as_json(body: BaseModel, status: int = 200) -> Response:
    """The fields that were set: an optional one that was not asked for is left out."""
    return Response(body.model_dump_json(exclude_unset=True), status, media_type="application/json")
