"""The OpenAPI document against what a service really answers."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from quire.demo.images import pdf
from service.openapi import document
from service.settings import Settings
from tests.service.conftest import Server
from tests.service.test_api import plain

RED, GREY = plain("red"), plain("grey")
EXCHANGES: list[tuple[str, dict[str, Any], int]] = [
    ("/v1/classify", {"content": RED}, 200),
    ("/v1/classify", {"content": GREY, "params": {"explain": "true"}}, 200),
    ("/v1/classify", {"content": b"no image"}, 415),
    ("/v1/classify", {"files": {"wrong": RED}}, 400),
    ("/v1/classify/batch", {"files": [("images", RED), ("images", b"no image")]}, 200),
    ("/v1/classify/pdf", {"content": pdf([plain("red", "JPEG"), None])}, 200),
    ("/v1/classify/pdf", {"content": pdf([plain("red", "JPEG")]), "params": {"thumbnails": "true", "pictures": "true"}}, 200),
    ("/v1/feedback", {"json": {"id": "unknown", "label": "cat"}}, 404),
    ("/upload", {"content": RED}, 200),
]


def check(described: dict[str, Any], route: str, method: str, status: int, body: object) -> None:
    """Hold a body against the document, in which no field may be missing."""
    answer = described["paths"][route][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    closed = {name: schema | {"additionalProperties": False} for name, schema in described["components"]["schemas"].items()}
    Draft202012Validator(answer | {"components": {"schemas": closed}}).validate(body)


@pytest.mark.server
@pytest.mark.parametrize(("route", "request_parts", "status"), EXCHANGES)
def test_an_answer_is_as_the_document_says(server: Server, route: str, request_parts: dict[str, Any], status: int) -> None:
    response = server.client.post(route, **request_parts)
    assert response.status_code == status
    check(server.client.get("/openapi.json").json(), route, "post", status, response.json())


@pytest.mark.server
def test_health_and_feedback_are_as_the_document_says(server: Server) -> None:
    described = server.client.get("/openapi.json").json()
    check(described, "/health", "get", 200, server.client.get("/health").json())
    answer = server.client.post("/v1/classify", content=RED).json()
    given = server.client.post("/v1/feedback", json={"id": answer["id"], "label": "cat"})
    check(described, "/v1/feedback", "post", 201, given.json())


def test_without_an_issuer_no_token_is_asked_for() -> None:
    described = document(Settings())
    assert "securitySchemes" not in described["components"]
    assert not any("security" in method for methods in described["paths"].values() for method in methods.values())


def test_with_an_issuer_each_route_names_the_scope_that_it_wants() -> None:
    described = document(Settings(oidc_issuer="https://issuer.example.com/"))
    (scheme,) = described["components"]["securitySchemes"].values()
    assert scheme == {
        "type": "openIdConnect",
        "openIdConnectUrl": "https://issuer.example.com/.well-known/openid-configuration",
    }
    wanted = {path: methods["post"]["security"] for path, methods in described["paths"].items() if "post" in methods}
    assert described["paths"]["/v1/model"]["get"]["security"] == [{"token": ["quire:predict"]}]
    assert "security" not in described["paths"]["/health"]["get"]
    assert wanted.pop("/v1/feedback") == [{"token": ["quire:feedback"]}]
    assert wanted.pop("/v1/reload") == [{"token": ["quire:admin"]}]
    assert set(wanted) == {"/v1/classify", "/v1/classify/batch", "/v1/classify/pdf", "/upload"}
    assert all(security == [{"token": ["quire:predict"]}] for security in wanted.values())
    assert "security" not in described["paths"]["/health"]["get"]
