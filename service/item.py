"""What a client sends to be classified: an image, a text, or both."""

import json

from starlette.requests import Request

from service.errors import Refused
from service.inference import Sent
from service.request import State, received
from service.upload import is_form, only_file

TEXT = "text"  # the field of a form, and of JSON


async def sent_item(request: Request, field: str) -> Sent:
    """The item: a form with the file `field` and `text`, JSON with `text`, or an image as the raw body. Raises Refused."""
    state: State = request.app.state.quire
    upload = await received(request, field)
    text = _text_of_json(upload.files[0]) if _is_json(request) else upload.texts.get(TEXT)
    alone = text is not None and (_is_json(request) or not upload.files)
    image = None if alone else only_file(upload, field)
    if text is not None:
        _check(text, state.settings.max_characters)
    return Sent(image, text if text and text.strip() else None)


def _is_json(request: Request) -> bool:
    return not is_form(request) and request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def _text_of_json(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused("malformed", f"the body is not JSON: {error}") from error
    if not isinstance(content, dict) or set(content) != {TEXT} or not isinstance(content[TEXT], str):
        raise Refused("wrong_field", f'the body is not {{"{TEXT}": "…"}}')
    return str(content[TEXT])


def _check(text: str, most: int) -> None:
    if len(text) > most:
        raise Refused("too_large", f"the text has {len(text)} characters, the limit is {most}")
    if "\0" in text:
        raise Refused("malformed", "the text holds a NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused("malformed", f"the text is no Unicode: {error.reason}") from error
