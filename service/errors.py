"""What a client reads in place of an answer: `{"error": {"code", "message"}}`, and the HTTP status of each code.

4xx: another request would be answered. 501: this service was installed without the part that the request needs. 503: what
the service itself needs, its disk or the issuer of tokens, is not to be had at present. 500: the service has a fault.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.schema import ErrorDetail, Refusal

STATUS = {
    "empty": 400,
    "malformed": 400,
    "wrong_field": 400,
    "too_many_images": 400,
    "unknown_label": 400,
    "wrong_image": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "unknown_id": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "already_given": 409,
    "bad_model": 409,
    "too_large": 413,
    "too_many_pixels": 413,
    "not_an_image": 415,
    "not_a_pdf": 415,
    "damaged_image": 422,
    "too_small": 422,
    "unreadable_pdf": 422,
    "busy": 429,
    "internal": 500,
    "no_pdf_support": 501,
    "not_kept": 503,
    "issuer_unavailable": 503,
    "not_followed": 503,
}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "10"}}


class Refused(Exception):
    """A request that cannot be answered; `code` is a key of STATUS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def body(self) -> Refusal:
        """What the client reads."""
        return Refusal(error=ErrorDetail(code=self.code, message=self.message))

    def response(self) -> Response:
        """The body with its status and the headers that belong to it."""
        status = STATUS[self.code]
        return Response(self.body.model_dump_json(), status, HEADERS.get(status), "application/json")


async def answer_refusal(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for Refused."""
    assert isinstance(error, Refused)
    request.state.refused = error.code
    return error.response()


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for its own HTTPException: the same body, with the headers that the exception brings."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "malformed")
    response = await answer_refusal(request, Refused(code, f"{request.method} {request.url.path}: {error.detail}"))
    response.headers.update(error.headers or {})
    return response


async def answer_fault(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette hands it over
    """Starlette's exception handler for all else, which it raises again afterwards: the log has the traceback."""
    return await answer_refusal(request, Refused("internal", "the service failed; its log says why"))
