"""Ecotag's contract as a server: what its source says it accepts and returns, its five error shapes and its caps included."""

import itertools
import json
import random
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

NAME, FILE_NAME = re.compile(r"[a-zA-Z0-9_-]{3,48}"), re.compile(r"[a-zA-Z0-9\-_. (){}]{3,512}")
COLOUR = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
MOST_FILES, MOST_BYTES = 10, 30_000_000
TICKS = 638_400_000_000_000_000  # .NET's 100 ns since the year 1
ROLES = ["annotator", "data scientist", "administrator"]

Item = dict[str, Any]
Fault = Callable[[int, str, str], str | None]  # number of the changing call, its path, before or after → what goes wrong


def token(subject: str | None = "2") -> str:
    """A JWT as an OIDC provider gives it; without a subject it is a client's own."""
    claims = {"scope": "openid email"} | ({"sub": subject} if subject else {})
    return jwt.encode(claims, "x" * 32, algorithm="HS256")


@dataclass
class State:
    """What the server holds. `fault` is asked before and after each call that changes something."""

    users: list[Item] = field(default_factory=list)
    groups: list[Item] = field(default_factory=list)
    datasets: list[Item] = field(default_factory=list)
    projects: list[Item] = field(default_factory=list)
    annotations: list[Item] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)  # names of items that nobody here may see
    fault: Fault = lambda *_: None
    calls: list[str] = field(default_factory=list)
    served: Any = None  # uvicorn's server, whose connections are cut

    def changing(self) -> list[str]:
        return [call for call in self.calls if not call.startswith("GET")]


class EcotagError(Exception):
    """An answer that is an error; `body` of None is empty."""

    def __init__(self, status: int, body: Any = None) -> None:
        self.status, self.body = status, body


def key(name: str, error: Any = None) -> EcotagError:
    return EcotagError(400, {"key": name, "error": error})


def one(found: Iterator[Item], otherwise: EcotagError) -> Item:
    item = next(found, None)
    if item is None:
        raise otherwise
    return item


class Ecotag:
    """The endpoints over one State."""

    def __init__(self, state: State) -> None:
        self.state, self.numbers = state, itertools.count()

    def user(self, request: Request, role: str) -> Item:
        """The caller, whose role must reach as far as `role`: 401 and 403 have empty bodies."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        try:
            subject = jwt.decode(value, options={"verify_signature": False}).get("sub", "computer")
        except jwt.InvalidTokenError as error:
            raise EcotagError(401) from error
        found = one((user for user in self.state.users if user["nameIdentifier"] == subject), EcotagError(403))
        if scheme != "Bearer" or ROLES.index(found["role"]) < ROLES.index(role):
            raise EcotagError(403)
        return found

    def group_of(self, caller: Item, group: str) -> Item:
        found = one((each for each in self.state.groups if each["id"] == group), key("GroupNotFound"))
        if caller["id"] not in found["userIds"]:
            raise key("UserNotInGroup")
        return found

    def seen(self, caller: Item, items: list[Item]) -> list[Item]:
        mine = {group["id"] for group in self.state.groups if caller["id"] in group["userIds"]}
        return [item for item in items if item["groupId"] in mine]

    def make(self, items: list[Item], name: str, item: Item) -> Response:
        if not NAME.fullmatch(name):
            raise key("InvalidModel", {"Name": "The field Name must match the regular expression '^[a-zA-Z0-9-_]*$'."})
        if name in {each["name"] for each in items} | self.state.taken:
            raise key("AlreadyTakenName")
        items.append({"id": str(uuid.uuid4()), "name": name, "createDate": "2026-01-01T00:00:00"} | item)
        return self.created(items[-1]["id"])

    @staticmethod
    def created(identifier: str) -> Response:
        return PlainTextResponse(identifier, 201)

    async def users(self, request: Request) -> Response:
        self.user(request, "annotator")
        return JSONResponse(self.state.users)

    async def groups(self, request: Request) -> Response:
        if request.method == "GET":
            self.user(request, "annotator")
            return JSONResponse(self.state.groups)
        self.user(request, "administrator")
        body = await request.json()
        if request.method == "POST":
            return self.make(self.state.groups, body["name"].lower(), {"userIds": []})
        group = one((each for each in self.state.groups if each["id"] == body["id"]), key("GroupNotFound"))
        if not set(body["userIds"]) <= {user["id"] for user in self.state.users}:
            raise key("UserNotFound")
        if len(set(body["userIds"])) < len(body["userIds"]):
            raise key("UserDuplicate")
        group["userIds"] = body["userIds"]
        return Response(status_code=204)

    async def datasets(self, request: Request) -> Response:
        caller = self.user(request, "data scientist")
        if request.method == "GET":
            seen = self.seen(caller, self.state.datasets)
            return JSONResponse(
                [{k: v for k, v in row.items() if k != "files"} | {"numberFiles": len(row["files"])} for row in seen]
            )
        body = await request.json()
        if body["type"] not in ("Image", "Text", "Eml", "Document") or body["classification"] not in (
            "Public",
            "Internal",
            "Confidential",
            "Critical",
        ):
            raise key("InvalidModel")
        self.group_of(caller, body["groupId"])
        made = {name: body[name] for name in ("type", "classification", "groupId")}
        return self.make(self.state.datasets, body["name"], made | {"files": [], "locked": "None"})

    def dataset_of(self, request: Request, caller: Item, unknown: EcotagError) -> Item:
        found = one((each for each in self.state.datasets if each["id"] == request.path_params["dataset"]), unknown)
        if found not in self.seen(caller, [found]):
            raise EcotagError(403)
        return found

    async def dataset(self, request: Request) -> Response:
        caller = self.user(request, "data scientist")
        found = self.dataset_of(request, caller, EcotagError(404))
        return JSONResponse(found | {"files": [{k: v for k, v in file.items() if k != "content"} for file in found["files"]]})

    async def lock(self, request: Request) -> Response:
        self.dataset_of(request, self.user(request, "data scientist"), EcotagError(404))["locked"] = "Locked"
        return Response(status_code=204)

    async def upload(self, request: Request) -> Response:
        caller = self.user(request, "data scientist")
        if int(request.headers["Content-Length"]) > MOST_BYTES:
            raise EcotagError(413)
        found = self.dataset_of(request, caller, EcotagError(500, {"requestId": "0HN7"}))
        if found["locked"] == "Locked":
            raise key("DatasetLocked")
        async with request.form() as form:
            sent = [(str(file.filename), await file.read()) for file in form.getlist("files") if isinstance(file, UploadFile)]
        allowed = (".png", ".jpg", ".jpeg")
        if len(sent) > MOST_FILES or not all(FILE_NAME.fullmatch(name) and name.lower().endswith(allowed) for name, _ in sent):
            raise key("InvalidModel")
        rows: list[Item] = []
        for name, content in sent:
            if not content:
                continue
            if name in {each["fileName"] for each in found["files"]}:
                rows.append({"data": None, "error": {"key": "AlreadyTakenName", "error": None}, "isSuccess": False})
                continue
            made = {"id": str(uuid.uuid4()), "fileName": name, "size": len(content), "contentType": "image/png", "content": content}
            found["files"].append(made)
            rows.append({"data": made["id"], "error": None, "isSuccess": True})
        return JSONResponse(rows)

    async def projects(self, request: Request) -> Response:
        caller = self.user(request, "annotator")
        if request.method == "GET":
            return JSONResponse(self.seen(caller, self.state.projects))
        self.user(request, "data scientist")
        body = await request.json()
        self.group_of(caller, body["groupId"])
        errors = {
            f"Labels[{number}].Color": ["The field Color must match the regular expression."]
            for number, label in enumerate(body["labels"])
            if not COLOUR.fullmatch(label["color"])
        } | {f"$.labels[{n}].id": ["not a string"] for n, label in enumerate(body["labels"]) if not isinstance(label["id"], str)}
        if errors:
            raise EcotagError(
                400, {"title": "One or more validation errors occurred.", "status": 400, "errors": errors, "traceId": "00-1"}
            )
        if not 1 <= body["numberCrossAnnotation"] <= 10 or not all(NAME.fullmatch(label["name"]) for label in body["labels"]):
            raise key("InvalidModel")
        names = ("datasetId", "groupId", "numberCrossAnnotation", "annotationType", "labels")
        made = self.make(
            self.state.projects,
            body["name"],
            {name: body[name] for name in names} | {"creatorNameIdentifier": caller["nameIdentifier"]},
        )
        one((each for each in self.state.datasets if each["id"] == body["datasetId"]), EcotagError(500, {"requestId": "0HN8"}))
        return made

    def project_of(self, request: Request) -> tuple[Item, Item]:
        caller = self.user(request, "annotator")
        found = one((each for each in self.state.projects if each["id"] == request.path_params["project"]), key("NotFound"))
        if found not in self.seen(caller, [found]):
            raise EcotagError(403)
        return found, caller

    async def project_dataset(self, request: Request) -> Response:
        self.project_of(request)
        return await self.dataset(request)

    async def annotate(self, request: Request) -> Response:
        project, caller = self.project_of(request)
        label = json.loads((await request.json())["expectedOutput"])["label"]
        if label not in [each["name"] for each in project["labels"]]:
            raise key("InvalidLabels")
        files = next(each["files"] for each in self.state.datasets if each["id"] == project["datasetId"])
        file = one((each for each in files if each["id"] == request.path_params["file"]), key("FileNotFound"))
        row = {"nameIdentifier": caller["nameIdentifier"], "createDate": TICKS + next(self.numbers), "fileName": file["fileName"]}
        self.state.annotations.append(row | {"annotation": {"label": label}, "project": project["id"]})
        return self.created(str(uuid.uuid4()))

    async def export(self, request: Request) -> Response:
        project, _ = self.project_of(request)
        self.user(request, "data scientist")
        dataset = next(each for each in self.state.datasets if each["id"] == project["datasetId"])
        rows = [
            {k: v for k, v in row.items() if k != "project"} for row in self.state.annotations if row["project"] == project["id"]
        ]
        random.shuffle(rows)
        named = {
            "projectName": project["name"],
            "projectType": "ImageClassifier",
            "datasetName": dataset["name"],
            "datasetType": "Image",
        }
        counts = {
            "numberAnnotationsDone": len(rows),
            "numberAnnotationsToDo": len(dataset["files"]) * project["numberCrossAnnotation"],
        }
        return JSONResponse(named | {"classification": dataset["classification"]} | counts | {"annotations": rows})

    def application(self) -> ASGIApp:
        base = "/api/server"
        routes = [
            Route(f"{base}/isalive", lambda _: PlainTextResponse("ok")),
            Route(f"{base}/Users", self.users),
            Route(f"{base}/Groups", self.groups, methods=["GET", "POST", "PUT"]),
            Route(f"{base}/Datasets", self.datasets, methods=["GET", "POST"]),
            Route(f"{base}/Datasets/{{dataset}}", self.dataset),
            Route(f"{base}/Datasets/{{dataset}}/files", self.upload, methods=["POST"]),
            Route(f"{base}/Datasets/{{dataset}}/lock", self.lock, methods=["POST"]),
            Route(f"{base}/Projects", self.projects, methods=["GET", "POST"]),
            Route(f"{base}/Projects/{{project}}/export", self.export),
            Route(f"{base}/Projects/{{project}}/{{dataset}}", self.project_dataset),
            Route(f"{base}/Annotations/{{project}}/{{file}}", self.annotate, methods=["POST"]),
        ]

        async def refused(_: Request, error: Exception) -> Response:
            assert isinstance(error, EcotagError)
            return Response(status_code=error.status) if error.body is None else JSONResponse(error.body, error.status)

        return _Faults(Starlette(routes=routes, exception_handlers={EcotagError: refused}), self.state)


class _Faults:
    """Around the endpoints: quotes a bare GUID where JSON is accepted, and lets things go wrong as the test says."""

    def __init__(self, inner: ASGIApp, state: State) -> None:
        self.inner, self.state = inner, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        request = Request(scope, receive)
        call = f"{request.method} {request.url.path.removeprefix('/api/server')}"
        self.state.calls.append(call)
        number = len(self.state.changing()) if request.method != "GET" else 0
        if wrong := self.state.fault(number, call, "before"):
            await self._go_wrong(wrong, scope, receive, send)
            return
        answer: list[Any] = []

        async def keep(message: Any) -> None:
            answer.append(message)

        await self.inner(scope, receive, keep)
        if wrong := self.state.fault(number, call, "after"):
            await self._go_wrong(wrong, scope, receive, send)
            return
        body = b"".join(message.get("body", b"") for message in answer)
        status = answer[0]["status"]
        headers = dict(answer[0]["headers"])
        if status == 201 and request.headers.get("Accept") == "application/json":
            response = Response(b'"' + body + b'"', status, media_type="application/json")
        else:
            response = Response(body, status, media_type=headers.get(b"content-type", b"").decode() or None)
        await response(scope, receive, send)

    async def _go_wrong(self, wrong: str, scope: Scope, receive: Receive, send: Send) -> None:
        if wrong == "cut":
            for connection in list(self.state.served.server_state.connections):
                if connection.client == tuple(scope["client"]):
                    connection.transport.abort()
            return
        status, _, kind = wrong.partition(" ")
        page = HTMLResponse("<html><head><title>502 Bad Gateway</title></head></html>", int(status))
        response = (
            page
            if kind == "html"
            else JSONResponse({"requestId": "0HN9"}, int(status))
            if kind
            else Response(status_code=int(status))
        )
        await response(scope, receive, send)


@contextmanager
def running(state: State, port: int) -> Iterator[str]:
    """Serve `state` on the port; the base URL."""
    config = uvicorn.Config(Ecotag(state).application(), host="127.0.0.1", port=port, log_level="error", lifespan="off")
    state.served = uvicorn.Server(config)
    thread = threading.Thread(target=state.served.run, daemon=True)
    thread.start()
    while not state.served.started:
        assert thread.is_alive(), "the server ended"
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{port}/api/server"
    finally:
        state.served.should_exit = True
        thread.join(10)
