"""Calls to a server over HTTP: authorised, with a timeout, retried only where a second call changes nothing."""

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util import Retry

from labelling.errors import CallFailed, LabellingError, no_answer, words

PARALLEL = 4  # uploads at a time
PASSING = (429, 502, 503, 504)  # busy, or a proxy before a server that is not up yet
SECONDS = 60  # to connect, and between two bytes of an answer


class Bearer(AuthBase):
    """A token that is sent as it is: `scheme` is Bearer, or Label Studio's Token."""

    def __init__(self, token: str, scheme: str = "Bearer") -> None:
        self.header = f"{scheme} {token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = self.header
        return request


class Session:
    """A server under `base`. Its calls raise CallFailed, with the call, the status and the server's words."""

    def __init__(self, base: str, auth: AuthBase | None = None) -> None:
        if not base.startswith(("http://", "https://")):
            raise LabellingError(f"{base!r} is no address of a server: it begins with http:// or https://")
        self.base = base.rstrip("/")
        self.http = requests.Session()
        self.http.auth = auth
        self.http.headers["Accept"] = "application/json"
        self.http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # the token alone says who asks
        # Connections that failed are tried again for every method, calls that were sent only for these.
        again = Retry(total=3, backoff_factor=0.5, status_forcelist=PASSING, allowed_methods=("GET", "PUT"), raise_on_status=False)
        for scheme in ("http://", "https://"):
            self.http.mount(scheme, HTTPAdapter(max_retries=again, pool_maxsize=PARALLEL))

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make one call; any answer but a 2xx raises."""
        call = f"{method} {self.base}{path}"
        try:
            response = self.http.request(method, self.base + path, timeout=SECONDS, allow_redirects=False, **options)
        except requests.RequestException as error:
            raise CallFailed(call, None, no_answer(error, SECONDS)) from error
        if not 200 <= response.status_code < 300:
            to = response.headers.get("Location")
            raise CallFailed(call, response.status_code, f"sent on to {to}" if to else words(response))
        return response

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Make one call whose answer is JSON; a page of a proxy instead raises."""
        response = self.call(method, path, **options)
        try:
            return response.json()
        except requests.exceptions.JSONDecodeError as error:
            raise CallFailed(f"{method} {self.base}{path}", response.status_code, f"no JSON: {words(response)}") from error
