"""Label Studio: a project, an uploaded file for each image and a task that names file and content."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import requests
from requests.auth import AuthBase

from labelling.errors import LabellingError
from labelling.parameters import Parameters
from labelling.session import Bearer, Session
from labelling.tool import Image, Pulled, Pushed
from labelling.upload import Batch, upload_missing
from quire.items.annotations.exports import read_export

FILES, BYTES = 20, 25_000_000  # a request's; Label Studio takes at most 100 files
PAGE = 500  # tasks a page

Found = dict[str, Any]


class PersonalAccessToken(AuthBase):
    """A refresh token, exchanged for access tokens of five minutes; a new one after a 401."""

    def __init__(self, url: str, token: str) -> None:
        self.session, self.token = Session(url), token
        self.access, self.lock = "", threading.Lock()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add an access token, and have the answer looked at."""
        with self.lock:
            self.access = self.access or self._exchange()
            request.headers["Authorization"] = f"Bearer {self.access}"
        request.register_hook("response", self._renew)  # type: ignore[no-untyped-call]
        return request

    def _renew(self, response: requests.Response, **options: Any) -> requests.Response:
        """Send the call once more with a new access token where the old one was refused: it changed nothing."""
        if response.status_code != 401:
            return response
        again = response.request.copy()
        with self.lock:
            if again.headers["Authorization"] == f"Bearer {self.access}":  # no other thread was faster
                self.access = self._exchange()
            again.headers["Authorization"] = f"Bearer {self.access}"
        _ = response.content  # frees the connection
        answer: requests.Response = response.connection.send(again, **options)
        answer.history.append(response)
        return answer

    def _exchange(self) -> str:
        return str(self.session.json("POST", "/api/token/refresh/", json={"refresh": self.token})["access"])


class LabelStudio:
    """A client for one server; `token` is a personal access token, a JWT, or a legacy token."""

    def __init__(self, url: str, token: str, parameters: Parameters) -> None:
        personal = token.count(".") == 2
        self.session = Session(url, PersonalAccessToken(url, token) if personal else Bearer(token, "Token"))
        self.parameters = parameters

    def check(self, project: str, images: Sequence[Image]) -> Sequence[Image]:  # noqa: ARG002 - short enough for any tool
        """Nothing to check: labels and names are data here."""
        return images

    def push(self, project: str, images: Sequence[Image]) -> Pushed:
        """Bring the project about, then a file and a task for each image that has none."""
        config = self._config()
        found = self._project(project)
        if found is None:
            asked = {"title": project, "label_config": config, "maximum_annotations": self.parameters.cross_annotation}
            found = self.session.json("POST", "/api/projects/", json=asked)
        elif found["label_config"] != config:
            raise LabellingError(f"project {project} is there with another label config; take another labelling.project")
        number = found["id"]
        uploaded: dict[str, str] = {}

        def there() -> set[str]:
            # Files are uploaded under their hash: one that got no task before a push broke off gets it now.
            files = self.session.json("GET", f"/api/projects/{number}/file-uploads", params={"all": "true"})
            uploaded.update(_by_hash(files))
            known = {(task["data"].get("file_name"), task["data"].get("sha256")) for task in self._tasks(number)}
            return {image.name for image in images if (image.name, image.sha256) in known}

        return upload_missing(images, there, self._sender(number, uploaded), FILES, BYTES)

    def projects(self) -> list[str]:
        """The titles of all projects."""
        return sorted(project["title"] for project in self._projects(""))

    def pull(self, project: str) -> Pulled:
        """The export with all its tasks, answered or not."""
        found = self._project(project)
        if found is None:
            raise LabellingError(f"no project {project} among those that the token's user sees")
        asked = {"exportType": "JSON", "download_all_tasks": "true"}
        content = self.session.call("GET", f"/api/projects/{found['id']}/export", params=asked).content
        export = read_export(content, project)
        return Pulled(content, export.names, export.votes)

    def people(self) -> dict[str, str]:
        """The e-mail address of each user."""
        return {f"label-studio:{user['id']}": str(user["email"]) for user in self.session.json("GET", "/api/users/")}

    def _config(self) -> str:
        choices = "".join(
            f"<Choice value={quoteattr(name)} style={quoteattr(f'border-left: 6px solid {colour}; padding-left: 6px')}/>"
            for name, colour in self.parameters.colours.items()
        )
        control = f'<Choices name="choice" toName="image" choice="single" required="true" showInline="true">{choices}</Choices>'
        return f'<View><Image name="image" value="$image"/>{control}</View>'

    def _sender(self, number: int, uploaded: dict[str, str]) -> Callable[[Batch], dict[str, str]]:
        def send(batch: Batch) -> dict[str, str]:
            absent = {image.sha256: image for image in batch if image.sha256 not in uploaded}
            if absent:
                uploaded.update(self._upload(number, list(absent.values())))
            tasks = [_task(image, uploaded[image.sha256]) for image in batch]
            self.session.call("POST", f"/api/projects/{number}/import", params={"return_task_ids": "true"}, json=tasks)
            return {}

        return send

    def _upload(self, number: int, images: Sequence[Image]) -> dict[str, str]:
        """Upload without making tasks. One field a file: of several in one field only the last would stay."""
        files = {image.sha256: (f"{image.sha256}{image.path.suffix}", image.path.read_bytes()) for image in images}
        path = f"/api/projects/{number}"
        sent = self.session.json("POST", f"{path}/import", params={"commit_to_project": "false"}, files=files)
        listed = self.session.json("GET", f"{path}/file-uploads", params={"ids": json.dumps(sent["file_upload_ids"])})
        return _by_hash(listed)

    def _project(self, title: str) -> Found | None:
        found = [project for project in self._projects(title) if project["title"] == title]
        if len(found) > 1:
            numbers = ", ".join(str(project["id"]) for project in found)
            raise LabellingError(f"projects {numbers} all bear the title {title}: delete or rename all but one")
        return found[0] if found else None

    def _projects(self, title: str) -> list[Found]:
        return self._pages("/api/projects", {"title": title} if title else {}, "results", "count")

    def _tasks(self, number: int) -> list[Found]:
        return self._pages("/api/tasks", {"project": number, "fields": "all"}, "tasks", "total")

    def _pages(self, path: str, asked: Found, items: str, total: str) -> list[Found]:
        found: list[Found] = []
        page = 1
        while True:
            answer = self.session.json("GET", path, params=asked | {"page": page, "page_size": PAGE})
            found += answer[items]
            if len(found) >= answer[total] or not answer[items]:  # past the last page lies a 404
                return found
            page += 1


def _by_hash(files: Sequence[Found]) -> dict[str, str]:
    """Each upload's path by the hash in its name, `upload/<project>/<8 hex>-<sha256>.<extension>`."""
    return {file["file"].rsplit("-", 1)[-1].split(".")[0]: file["file"] for file in files}


def _task(image: Image, file: str) -> Found:
    return {"data": {"image": f"/data/{file}", "file_name": image.name, "sha256": image.sha256}}
