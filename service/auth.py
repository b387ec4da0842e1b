"""Bearer tokens of an OpenID Connect issuer: off without one; PyJWT does the cryptography."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
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
LIFESPAN = 900  # seconds that a key holds: as long are the issuer's outages survived, and as late is a key withdrawn


class Tokens:
    """Check tokens against the issuer's keys, which are fetched when first needed, when they expire and when a key id is new."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client: PyJWKClient | None = None
        self.failed = -float("inf")
        self.thread = ThreadPoolExecutor(1, "issuer")  # only those whose key is not known wait for the issuer

    async def check(self, header: str | None, scope: str) -> str:
        """The subject of a token that allows `scope`, or "". Raises Refused with 401, 403 or 503."""
        kind, _, token = (header or "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Refused("unauthenticated", "a bearer token is needed: Authorization: Bearer <token>")
        claims = await self._claims(token.strip())
        allowed = claims.get("scope", claims.get("scp", []))  # a text with spaces (RFC 8693), or a list as some issuers write
        if scope not in (allowed.split() if isinstance(allowed, str) else list(allowed)):
            raise Refused("forbidden", f"the token's scope does not hold {scope}")
        return str(claims.get("sub", ""))

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid"))
            if (key := self._known(key_id)) is None:
                key = await asyncio.get_running_loop().run_in_executor(self.thread, self._fetched, key_id)
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

    def _known(self, key_id: str) -> PyJWK | None:
        """The key of that id, if it was fetched and has not expired. Asks nobody and waits for nobody."""
        if not self.client or not self.client.jwk_set_cache or not (cached := self.client.jwk_set_cache.get()):
            return None
        return PyJWKClient.match_kid([key for key in cached.keys if key.public_key_use != "enc"], key_id)

    def _fetched(self, key_id: str) -> PyJWK:
        """The key of that id, from the issuer. Raises Refused with 503 where it does not answer, PyJWTError for an unknown id."""
        if time.monotonic() - self.failed < PAUSE:
            raise Refused("issuer_unavailable", "the issuer's keys cannot be had at present")
        try:
            self.client = self.client or PyJWKClient(self._jwks_url(), lifespan=LIFESPAN, timeout=TIMEOUT, cooldown_duration=PAUSE)
            return self.client.get_signing_key(key_id)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, httpx.HTTPError, ValueError, KeyError) as error:
            self.failed = time.monotonic()  # afterwards: those who waited meanwhile do not ask a silent issuer again
            raise Refused("issuer_unavailable", f"the issuer's keys cannot be had: {type(error).__name__}") from error

    def _jwks_url(self) -> str:
        if self.settings.oidc_jwks_url:
            return self.settings.oidc_jwks_url
        discovered = httpx.get(self.settings.oidc_discovery_url, timeout=TIMEOUT).raise_for_status().json()
        return str(discovered["jwks_uri"])
