"""Read an upload, never more of it than is allowed and never for longer."""

import asyncio
from dataclasses import dataclass

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Refused


class BodyLimit:
    """ASGI middleware that bounds the memory that bodies take.

    413: the body declares more bytes than one request may have, or turns out to have more. 429: the bodies of all requests
    that are not answered yet have more bytes than they may have together.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope["app"].state.quire
        limit, together = state.settings.max_bytes, state.settings.max_bytes_together
        declared = Headers(scope=scope).get("content-length", "0")
        if int(declared) > limit:  # the server has checked that it is a number
            scope["state"]["refused"] = "too_large"
            await _too_large(declared, limit).response()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            received += size
            state.held += size
            if received > limit:
                raise _too_large(f"more than {limit}", limit)
            if state.held > together:
                raise Refused("busy", f"the requests under way hold {together} bytes, which is the limit; try again in a second")
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            state.held -= received


def _too_large(sent: str, limit: int) -> Refused:
    return Refused("too_large", f"the body has {sent} bytes, the limit is {limit}")


@dataclass(frozen=True)
class Upload:
    """The files of one field and the texts of a form; a raw body is one file without texts."""

    files: list[bytes]
    texts: dict[str, str]


def is_form(request: Request) -> bool:
    """Whether the body is a multipart form; its media type is written in any case (RFC 9110, 8.3.1)."""
    return request.headers.get("content-type", "").lower().startswith("multipart/")


async def read_upload(request: Request, field: str, max_files: int, max_seconds: float) -> Upload:
    """Read a raw body or a multipart form's files of one field.

    Raises Refused for a malformed form, a field of another name, too many files or a body that takes too long.
    """
    try:
        async with asyncio.timeout(max_seconds):
            if not is_form(request):
                return Upload([await request.body()], {})
            async with request.form(max_files=max_files, max_fields=8) as form:
                return await _of_form(form, field)
    except TimeoutError as error:
        raise Refused("too_slow", f"the body did not arrive within {max_seconds:g} s") from error
    except HTTPException as error:
        code = "too_many_images" if "Too many files" in str(error.detail) else "malformed"
        raise Refused(code, f"the form cannot be read: {error.detail}") from error
    except ClientDisconnect as error:
        raise Refused("malformed", "the body broke off") from error
    except (KeyError, ValueError, UnicodeError) as error:  # what the parser raises for an absent or wrong boundary
        raise Refused("malformed", f"the form cannot be read: {error}") from error


async def _of_form(form: FormData, field: str) -> Upload:
    files = [part for part in form.getlist(field) if isinstance(part, UploadFile)]
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    others = sorted({name for name, value in form.multi_items() if isinstance(value, UploadFile)} - {field})
    twice = sorted(name for name in texts if len(form.getlist(name)) > 1)
    if twice:
        raise Refused("wrong_field", f"the field {twice[0]!r} is there {len(form.getlist(twice[0]))} times")
    if field in texts:
        raise Refused("wrong_field", f"the field {field!r} is a text, not a file")
    if others:
        raise Refused("wrong_field", f"the file belongs in the field {field!r}, not {others[0]!r}")
    return Upload([await part.read() for part in files], texts)


def only_file(upload: Upload, field: str) -> bytes:
    """The one file that was sent. Raises Refused for none and for several."""
    if len(upload.files) != 1:
        raise Refused("wrong_field", f"the form has {len(upload.files)} files in the field {field!r}, not one")
    return upload.files[0]
