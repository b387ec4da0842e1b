"""Bearer tokens against a running service and an issuer of our own: what is accepted, what is not and how."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from service.auth import LIFESPAN, Tokens
from service.errors import Refused
from service.settings import Settings
from tests.conftest import free_port
from tests.service.conftest import Serve, Server
from tests.service.test_api import plain, refusal

pytestmark = pytest.mark.server
KEY = "of-the-pseudonyms"


class Issuer:
    """An OpenID Connect issuer: a discovery document, keys that rotate, tokens."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.asked, self.answering = 0, threading.Event()
        self.answering.set()
        self.rotate("first")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answering.wait(20)
                body = {"jwks_uri": f"{issuer.url}/keys"} if "openid-configuration" in self.path else issuer.jwks()
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def rotate(self, key_id: str) -> None:
        self.keys = {key_id: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def jwks(self) -> dict[str, Any]:
        self.asked += 1
        return {
            "keys": [
                json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": name, "use": "sig", "alg": "RS256"}
                for name, key in self.keys.items()
            ]
        }

    def token(self, **changes: Any) -> str:
        (name,) = self.keys
        claims = {"iss": self.url, "aud": "quire", "sub": "eve", "exp": time.time() + 60, "scope": "openid quire:predict"} | changes
        return jwt.encode(
            {key: value for key, value in claims.items() if value is not None}, self.keys[name], "RS256", {"kid": name}
        )


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    running = Issuer()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture(scope="module")
def guarded(serve: Serve, issuer: Issuer) -> Iterator[Server]:
    with serve(oidc_issuer=issuer.url, pseudonym_key=KEY) as running:
        yield running


def ask(server: Server, token: str | None, route: str = "/v1/classify", **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return server.client.post(route, headers=headers, **(body or {"content": plain("red")}))


def test_a_good_token_is_answered_and_said_so_at_start(guarded: Server, issuer: Issuer) -> None:
    assert ask(guarded, issuer.token()).json()["prediction"] == "cat"
    assert f"quire: tokens of {issuer.url} are required" in guarded.log()


@pytest.mark.parametrize("route", ["/v1/classify", "/v1/classify/batch", "/v1/classify/pdf", "/v1/feedback", "/upload"])
def test_every_route_wants_a_token(guarded: Server, route: str) -> None:
    response = ask(guarded, None, route)
    assert refusal(response) == (401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_probes_and_page_want_none(guarded: Server) -> None:
    for path in ("/livez", "/readyz", "/health", "/metrics", "/openapi.json", "/"):
        assert guarded.client.get(path).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "http://another"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"nbf": time.time() + 3600},
    ],
)
def test_a_token_of_wrong_claims_is_401(guarded: Server, issuer: Issuer, changes: dict[str, Any]) -> None:
    assert refusal(ask(guarded, issuer.token(**changes))) == (401, "unauthenticated")


def test_a_token_without_the_scope_is_403(guarded: Server, issuer: Issuer) -> None:
    assert refusal(ask(guarded, issuer.token(scope="openid"))) == (403, "forbidden")
    assert refusal(ask(guarded, issuer.token(scope=None))) == (403, "forbidden")
    assert ask(guarded, issuer.token(scope=None, scp=["quire:predict"])).status_code == 200


def test_feedback_wants_a_scope_of_its_own_and_keeps_who_sent_it(guarded: Server, issuer: Issuer) -> None:
    answer = ask(guarded, issuer.token()).json()
    body = {"json": {"id": answer["id"], "label": "dog"}}
    assert refusal(ask(guarded, issuer.token(), "/v1/feedback", **body)) == (403, "forbidden")
    assert ask(guarded, issuer.token(scope="quire:feedback"), "/v1/feedback", **body).status_code == 201
    kept = (guarded.folder / "store" / f"{answer['id']}.csv").read_text()
    assert f"feedback {hmac.digest(KEY.encode(), b'eve', 'sha256').hex()[:16]}" in kept
    assert "eve" not in kept


def test_forged_tokens_are_401(guarded: Server, issuer: Issuer) -> None:
    ((name, key),) = issuer.keys.items()
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    unsigned = jwt.encode(claims, None, "none", {"kid": name})  # type: ignore[arg-type]
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = [unsigned, jwt.encode(claims, own, "RS256", {"kid": name}), hs256(claims, public, name)]
    broken = [issuer.token()[:-4] + "AAAA", "a.b.c", "x" * 5000, "a b"]
    for token in [*forged, *broken]:
        assert refusal(ask(guarded, token)) == (401, "unauthenticated")


def hs256(claims: dict[str, Any], public: bytes, name: str) -> str:
    """A token signed with the issuer's public key as if it were a shared secret; PyJWT itself refuses to make one."""

    def part(content: bytes) -> bytes:
        return base64.urlsafe_b64encode(content).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": name}).encode())
    signed = head + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(public, signed, hashlib.sha256).digest())).decode()


def test_made_up_key_ids_do_not_become_requests_to_the_issuer(guarded: Server, issuer: Issuer) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    (key,) = issuer.keys.values()
    before = issuer.asked
    for number in range(30):
        assert refusal(ask(guarded, jwt.encode(claims, key, "RS256", {"kid": f"made-up-{number}"}))) == (401, "unauthenticated")
    assert issuer.asked - before <= 2


def test_rotated_keys_are_followed(guarded: Server, issuer: Issuer) -> None:
    old = issuer.token()
    issuer.rotate("second")
    time.sleep(3.5)  # the pause between two looks at the issuer's keys
    assert ask(guarded, issuer.token()).status_code == 200
    assert refusal(ask(guarded, old)) == (401, "unauthenticated")


def test_an_issuer_that_cannot_be_reached_is_503(serve: Serve, issuer: Issuer) -> None:
    with serve(oidc_issuer=f"http://127.0.0.1:{free_port()}") as lonely:
        for _ in range(2):
            refused = ask(lonely, issuer.token())
            assert (*refusal(refused), refused.headers["Retry-After"]) == (503, "issuer_unavailable", "10")


def test_who_brings_a_known_key_waits_for_no_answer_of_the_issuer(issuer: Issuer) -> None:
    tokens = Tokens(Settings(oidc_issuer=issuer.url))
    known = f"Bearer {issuer.token()}"
    ((name, key),) = issuer.keys.items()
    made_up = jwt.encode(jwt.decode(issuer.token(), options={"verify_signature": False}), key, "RS256", {"kid": f"not {name}"})

    async def check() -> None:
        assert await tokens.check(known, "quire:predict") == "eve"
        assert tokens.client
        tokens.client.cooldown_duration = 0
        issuer.answering.clear()
        waiting = asyncio.create_task(tokens.check(f"Bearer {made_up}", "quire:predict"))
        await asyncio.sleep(0.2)
        assert await tokens.check(known, "quire:predict") == "eve"
        assert not waiting.done()
        issuer.answering.set()
        with pytest.raises(Refused, match="not accepted"):
            await waiting

    asyncio.run(check())


def test_a_key_that_the_issuer_withdrew_expires(issuer: Issuer) -> None:
    tokens = Tokens(Settings(oidc_issuer=issuer.url))
    old = f"Bearer {issuer.token()}"
    assert asyncio.run(tokens.check(old, "quire:predict")) == "eve"
    issuer.rotate("third")
    assert asyncio.run(tokens.check(old, "quire:predict")) == "eve"
    assert tokens.client
    assert tokens.client.jwk_set_cache
    assert tokens.client.jwk_set_cache.lifespan == LIFESPAN
    tokens.client.jwk_set_cache.lifespan = 0
    with pytest.raises(Refused, match="not accepted"):
        asyncio.run(tokens.check(old, "quire:predict"))


def test_an_issuer_that_hangs_keeps_nobody_waiting_but_those_who_bring_a_token(serve: Serve, issuer: Issuer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(10) as clients:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serve(oidc_issuer=url) as stuck:
            asked = [clients.submit(ask, stuck, issuer.token(iss=url)) for _ in range(10)]
            time.sleep(0.5)
            start = time.monotonic()
            assert stuck.client.get("/health").status_code == 200
            assert time.monotonic() - start < 2  # the issuer is waited for five seconds
            assert {refusal(each.result()) for each in asked} == {(503, "issuer_unavailable")}
