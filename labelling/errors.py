"""What stops a push, a pull or a status, as one line that a person can act on."""

import json
import re
from typing import Any

import requests

from quire.command import BadInput

LONGEST = 300  # characters of a server's own words


class LabellingError(BadInput):
    """Something that the user can mend: a parameter, a file, what stands on the server."""


class CallFailed(LabellingError):
    """A call that a server refused or did not answer; `status` is None where no answer came."""

    def __init__(self, call: str, status: int | None, said: str) -> None:
        answer = f"{status}: {said}" if status else said
        super().__init__(f"{call}: {answer}")
        self.call, self.status, self.said = call, status, said

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later: no answer, too many requests, or the server's own failure."""
        return self.status is None or self.status in (408, 429) or self.status >= 500


def no_answer(error: requests.RequestException, seconds: float) -> str:
    """Why a call got no answer, without the pools and adapters of the libraries below."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {seconds:g} s"
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return str(error)
    return "nothing answers there" if "NewConnectionError" in str(error) else "the connection was cut"


def words(response: requests.Response) -> str:
    """The server's own words, whichever shape its error has; said in ours where it has none."""
    text = response.text.strip()
    try:
        body = json.loads(text)
    except ValueError:
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        said = title[1].strip() if title else text
    else:
        said = _said(body) if isinstance(body, dict) else text
    return said[:LONGEST] or SILENT.get(response.status_code, "no word from the server")


SILENT = {
    401: "the token is refused, or it has expired",
    403: "not allowed for the token's user: the role or the team is missing",
}


def _said(body: dict[str, Any]) -> str:
    """Ecotag: key and error, ProblemDetails, requestId. Label Studio: detail and validation_errors."""
    parts = [body.get("key"), body.get("error"), body.get("title"), body.get("errors"), body.get("detail")]
    parts.append(body.get("validation_errors"))
    if not any(parts):
        return ", ".join(f"{name} {value}" for name, value in body.items())
    return " ".join(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts if part)
