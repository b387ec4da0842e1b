"""Errors that a client gets: `{"error": {"code", "message"}}`, always a 4xx."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from quire.decode import UndecodableImage

STATUS = {
    "empty": 400,
    "malformed": 400,
    "wrong_field": 400,
    "too_many_images": 400,
    "unknown_label": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "unknown_id": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "already_given": 409,
    "too_large": 413,
    "too_many_pixels": 413,
    "not_an_image": 415,
    "not_a_pdf": 415,
    "damaged_image": 422,
    "unreadable_pdf": 422,
    "busy": 429,
    "no_pdf_support": 501,
}


class Refused(Exception):
    """A request that cannot be answered; `code` is a key of STATUS."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """What the client reads."""
        return {"error": {"code": self.code, "message": self.message}}

    def response(self) -> JSONResponse:
        """The answer with its status; a client that should wait is told how long."""
        headers = {429: {"Retry-After": "1"}, 401: {"WWW-Authenticate": "Bearer"}}.get(STATUS[self.code])
        return JSONResponse(self.body, STATUS[self.code], headers)


def undecodable(error: UndecodableImage) -> Refused:
    """The refusal of an image that cannot be decoded."""
    return Refused(error.code, str(error))


async def answer_refusal(request: Request, error: Exception) -> JSONResponse:
    """Starlette's exception handler for Refused."""
    assert isinstance(error, Refused)
    request.state.refused = error.code
    return error.response()
