"""Read an upload, never more of it than is allowed and never for longer."""

import asyncio
from dataclasses import dataclass, field

from multipart import MultipartSegment, PushMultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import Refused

MAX_TEXTS = 8  # of a form


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

    files: list[bytes] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)


def is_form(request: Request) -> bool:
    """Whether the body is a multipart form; its media type is written in any case (RFC 9110, 8.3.1)."""
    return request.headers.get("content-type", "").lower().startswith("multipart/")


async def read_upload(request: Request, name: str, max_files: int, max_seconds: float) -> Upload:
    """Read a raw body or a multipart form's files of the field of that name.

    Raises Refused for a malformed form, a field of another name, too many files or a body that takes too long.
    """
    try:
        async with asyncio.timeout(max_seconds):
            return await _read_form(request, name, max_files) if is_form(request) else Upload([await request.body()])
    except TimeoutError as error:
        raise Refused("too_slow", f"the body did not arrive within {max_seconds:g} s") from error
    except ClientDisconnect as error:
        raise Refused("malformed", "the body broke off") from error
    except ValueError as error:  # the parser's, and those of a text that is not UTF-8
        raise Refused("malformed", f"the form cannot be read: {error}") from error


async def _read_form(request: Request, name: str, max_files: int) -> Upload:
    _, options = parse_options_header(request.headers["content-type"])
    upload, content = Upload(), list[bytes]()
    with PushMultipartParser(options.get("boundary", ""), max_segment_count=max_files + MAX_TEXTS) as parser:
        async for chunk in request.stream():
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    part, content = event, []
                    _check_part(part, name, upload, max_files)
                elif event is not None:
                    content.append(event)
                elif part.filename is None:
                    upload.texts[part.name] = b"".join(content).decode()
                else:
                    upload.files.append(b"".join(content))
    return upload


def _check_part(part: MultipartSegment, name: str, upload: Upload, max_files: int) -> None:
    if part.filename is None and part.name == name:
        raise Refused("wrong_field", f"the field {name!r} is a text, not a file")
    if part.filename is None and part.name in upload.texts:
        raise Refused("wrong_field", f"the field {part.name!r} is there more than once")
    if part.filename is not None and part.name != name:
        raise Refused("wrong_field", f"the file belongs in the field {name!r}, not {part.name!r}")
    if part.filename is not None and len(upload.files) == max_files:
        raise Refused("too_many_images", f"the form has more than {max_files} files")


def only_file(upload: Upload, name: str) -> bytes:
    """The one file that was sent. Raises Refused for none and for several."""
    if len(upload.files) != 1:
        raise Refused("wrong_field", f"the form has {len(upload.files)} files in the field {name!r}, not one")
    return upload.files[0]
