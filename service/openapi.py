"""The OpenAPI document: its schemas are those of `service.schema`, its refusals those of `service.errors`."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service import schema
from service.errors import STATUS
from service.settings import Settings, Use

Json = dict[str, Any]
Query = dict[str, str]  # a parameter's name → what it does; each is true or false

FILE: Json = {"type": "string", "format": "binary"}
REFUSALS = (400, 401, 403, 408, 413, 415, 422, 429, 503)  # of every route that takes an upload
ANSWERS: tuple[type[BaseModel], ...] = (
    schema.ImageAnswer,
    schema.BatchAnswer,
    schema.PdfAnswer,
    schema.Feedback,
    schema.EarlierAnswer,
    schema.Reloaded,
    schema.Facts,
    schema.Health,
    schema.Refusal,
)
TEXT: Json = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ITEM: Json = {
    "multipart/form-data": {"schema": {"type": "object", "properties": {"image": FILE, "text": {"type": "string"}}}},
    "application/json": {"schema": TEXT},
    "image/*": {"schema": FILE},
}
EXPLAIN = {"explain": "adds `why`: the places of the image, or the words of the text, that speak for the answer"}
THUMBNAILS = {"thumbnails": "adds `thumbnail`, a small copy of each image", "pictures": "adds the same as `picture`"}


def document(settings: Settings) -> Json:
    """OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1). With an issuer, which token each route wants is part of it."""
    _, schemas = models_json_schema([(answer, "serialization") for answer in ANSWERS], ref_template="#/components/schemas/{model}")
    feedback = {"application/json": {"schema": _reference(schema.Feedback)}} | _form({"image": FILE}, schema.Feedback)
    responses = {"200": _answered(schema.Reloaded)} | {str(code): _refused(code) for code in (401, 403, 409, 503)}
    known = {"200": _answered(schema.Facts)} | {str(code): _refused(code) for code in (401, 403, 503)}
    paths = {
        "/v1/classify": _post("Say what an item is: an image, a text, or both", ITEM, schema.ImageAnswer, EXPLAIN),
        "/v1/classify/batch": _post("Say what is on several images", _several("images"), schema.BatchAnswer),
        "/v1/classify/pdf": _post(
            "Say what is on each image of a PDF", _one("pdf", "application/pdf"), schema.PdfAnswer, THUMBNAILS, more=[501]
        ),
        "/v1/feedback": _post("Send the right label for an answer", feedback, schema.Feedback, status=201, more=[404, 409]),
        "/upload": _post("As the API before /v1 answered", _one("file", "image/*"), schema.EarlierAnswer),
        "/v1/model": {"get": {"summary": "What the present model takes and answers", "responses": known}},
        "/v1/reload": {"post": {"summary": "Serve the model that QUIRE_MODEL names now", "responses": responses}},
        "/health": {"get": {"summary": "Whether the model answers", "responses": {"200": _answered(schema.Health)}}},
    }
    info = {"title": "Quire", "version": "1", "description": "Says what is on an image."}
    described = {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas["$defs"]}}
    return _secured(described, settings) if settings.oidc_issuer else described


def _secured(described: Json, settings: Settings) -> Json:
    """Every POST wants a token whose scope holds one word, that of feedback or that of the others."""
    scheme = {"type": "openIdConnect", "openIdConnectUrl": settings.oidc_discovery_url}
    described["components"]["securitySchemes"] = {"token": scheme}
    for path, methods in described["paths"].items():
        use: Use = {"/v1/feedback": "feedback", "/v1/reload": "admin"}.get(path, "predict")  # type: ignore[assignment]
        for method in () if path == "/health" else methods.values():
            method["security"] = [{"token": [settings.scope_of(use)]}]
    return described


def _post(
    summary: str, body: Json, answer: type[BaseModel], query: Query | None = None, status: int = 200, more: Sequence[int] = ()
) -> Json:
    responses = {str(status): _answered(answer)} | {str(code): _refused(code) for code in sorted([*REFUSALS, *more])}
    parameters = [
        {"in": "query", "name": name, "schema": {"type": "boolean"}, "description": does} for name, does in (query or {}).items()
    ]
    content = {"required": True, "content": body}
    return {"post": {"summary": summary, "parameters": parameters, "requestBody": content, "responses": responses}}


def _answered(answer: type[BaseModel]) -> Json:
    return {"description": (answer.__doc__ or ""), "content": {"application/json": {"schema": _reference(answer)}}}


def _refused(status: int) -> Json:
    codes = ", ".join(f"`{code}`" for code, of_status in STATUS.items() if of_status == status)
    return _answered(schema.Refusal) | {"description": f"Refused; `error.code` is one of {codes}"}


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _one(field: str, media_type: str) -> Json:
    return _form({field: FILE}, required=[field]) | {media_type: {"schema": FILE}}


def _several(field: str) -> Json:
    return _form({field: {"type": "array", "items": FILE}}, required=[field])


def _form(files: Json, texts: type[BaseModel] | None = None, required: Sequence[str] = ()) -> Json:
    """A form with files, and with the fields of a model as texts."""
    fields: Json = {"type": "object", "properties": files, "required": list(required)}
    return {"multipart/form-data": {"schema": {"allOf": [_reference(texts), fields]} if texts else fields}}
