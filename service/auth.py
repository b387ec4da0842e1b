"""Bearer tokens of an OpenID Connect issuer: off without one; PyJWT does the cryptography."""

import threading
import time
from typing import Any

import httpx
import jwt
from jwt import PyJWK, PyJWKClient

from service.errors import Refused
from service.settings import Settings

# Public-key algorithms only: with HS256 the issuer's public key would do as the secret, and `none` needs no key.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
TIMEOUT = 5  # seconds for the issuer to answer
PAUSE = 3  # seconds between two looks at the issuer's keys, so that made-up key ids do not become requests to it


class Tokens:
    """Check tokens against the issuer's keys, which are fetched when first needed and when a key id is new."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client: PyJWKClient | None = None
        self.keys: dict[str, PyJWK] = {}
        self.looked = -float("inf")
        self.lock = threading.Lock()

    def check(self, header: str | None, scope: str) -> str:
        """The subject of a token that allows `scope`. Blocks while it fetches keys. Raises Refused with 401 or 403."""
        kind, _, token = (header or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Refused("unauthenticated", "a bearer token is needed: Authorization: Bearer <token>")
        claims = self._claims(token.strip())
        allowed = claims.get("scope", claims.get("scp", []))  # a text with spaces (RFC 8693), or a list as some issuers write
        if scope not in (allowed.split() if isinstance(allowed, str) else list(allowed)):
            raise Refused("forbidden", f"the token's scope does not hold {scope}")
        return str(claims["sub"]) if "sub" in claims else "unnamed"

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            return jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self.settings.oidc_issuer,
                audience=self.settings.oidc_audience,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Refused("unauthenticated", f"the token is not accepted: {error}") from error

    def _key(self, key_id: object) -> PyJWK:
        with self.lock:
            if key_id not in self.keys and time.monotonic() - self.looked > PAUSE:
                try:
                    self.keys = self._fetch()
                finally:
                    self.looked = time.monotonic()  # afterwards: those who waited meanwhile do not ask a silent issuer again
        if not isinstance(key_id, str) or key_id not in self.keys:
            raise Refused("unauthenticated", "the token is not accepted: its key id is not one of the issuer's")
        return self.keys[key_id]

    def _fetch(self) -> dict[str, PyJWK]:
        try:
            self.client = self.client or PyJWKClient(self._jwks_url(), cache_jwk_set=False, timeout=TIMEOUT)
            return {str(key.key_id): key for key in self.client.get_signing_keys()}
        except (jwt.PyJWTError, httpx.HTTPError, ValueError, KeyError) as error:
            raise Refused("unauthenticated", f"the issuer's keys cannot be had at present: {type(error).__name__}") from error

    def _jwks_url(self) -> str:
        if self.settings.oidc_jwks_url:
            return self.settings.oidc_jwks_url
        discovered = httpx.get(self.settings.oidc_discovery_url, timeout=TIMEOUT).raise_for_status().json()
        return str(discovered["jwks_uri"])
