"""What the OpenAPI document says of each route, with examples."""

from typing import Any

DESCRIPTION = "Says what is on an image. Every refusal is a 4xx with `{'error': {'code', 'message'}}`."

# The page's own script, style and answers; no address outside the service.
PAGE_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; connect-src 'self'"

ANSWER = {
    "prediction": "cat",
    "decision": "cat",
    "reason": None,
    "probabilities": {"cat": 0.97, "dog": 0.02, "other": 0.01},
    "model": {"version": "13b811c260e2", "commit": "0123abcd", "data": "539b2872f3e5"},
    "id": "5f2d5a0c9e6b4a35a1f3f3c1f6d8c7b1",
}
ERROR = {"error": {"code": "not_an_image", "message": "not a JPEG, PNG, WEBP image"}}
IMAGE = {"type": "string", "format": "binary"}


def _post(summary: str, body: dict[str, Any], answer: Any, status: int = 200) -> dict[str, Any]:
    refusal = {"description": "Refused", "content": {"application/json": {"example": ERROR}}}
    answered = {"description": "Answered", "content": {"application/json": {"example": answer}}}
    responses = {str(status): answered} | {str(code): refusal for code in (400, 401, 403, 408, 413, 415, 422, 429)}
    return {"post": {"summary": summary, "requestBody": {"required": True, "content": body}, "responses": responses}}


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"multipart/form-data": {"schema": {"type": "object", "properties": properties, "required": required}}}


RAW = {name: {"schema": IMAGE} for name in ("image/jpeg", "image/png", "image/webp")}
LABEL = {"id": ANSWER["id"], "label": "dog"}
TEXTS = {"id": {"type": "string"}, "label": {"type": "string"}}
PAGE_ROW = {"page": 0, "index": 0, "repeat": False} | ANSWER

WHY = {"in": "query", "name": "explain", "schema": {"type": "boolean"}, "description": "adds `why`: the places that speak for it"}
IMAGE_BODY = _form({"image": IMAGE}, ["image"]) | RAW
BATCH_BODY = _form({"images": {"type": "array", "items": IMAGE}}, ["images"])
PDF_BODY = _form({"pdf": IMAGE}, ["pdf"]) | {"application/pdf": {"schema": IMAGE}}
FEEDBACK_BODY = {"application/json": {"example": LABEL}} | _form(TEXTS | {"image": IMAGE}, ["id", "label"])
HEALTHY = {"200": {"description": "The model answers", "content": {"application/json": {"example": {"status": "OK"}}}}}

OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Quire", "version": "1", "description": DESCRIPTION},
    "paths": {
        "/v1/classify": _post("Say what is on an image", IMAGE_BODY, ANSWER),
        "/v1/classify/batch": _post("Say what is on several images", BATCH_BODY, {"answers": [ANSWER, ERROR]}),
        "/v1/classify/pdf": _post("Say what is on each image of a PDF", PDF_BODY, {"images": [PAGE_ROW]}),
        "/v1/feedback": _post("Send the right label for an answer", FEEDBACK_BODY, LABEL, 201),
        "/upload": _post(
            "As the earlier API answered", _form({"file": IMAGE}, ["file"]), {"prediction": "Cat", "values": [0.97, 0.02, 0.01]}
        ),
        "/health": {"get": {"summary": "Whether the model answers", "responses": HEALTHY}},
    },
}
OPENAPI["paths"]["/v1/classify"]["post"]["parameters"] = [WHY]
