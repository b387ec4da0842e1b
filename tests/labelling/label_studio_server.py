"""A real Label Studio, started as its manual says, with the people who annotate."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT, free_port

PROGRAM = ROOT / ".venv-label-studio" / "bin" / "label-studio"
LEGACY = "0123456789abcdef0123456789abcdef01234567"
ADMIN, PASSWORD = "admin@example.com", "not-a-secret-1"  # pragma: allowlist secret


@dataclass(frozen=True)
class Server:
    """Its address, the administrator's two kinds of token, and the personal one of a second person."""

    url: str
    legacy: str
    personal: str
    second: str

    def api(self, method: str, path: str, who: str = "", **options: Any) -> Any:
        """A call as the administrator, or as the person whose personal access token is `who`."""
        header = f"Token {self.legacy}"
        if who:
            refreshed = requests.post(f"{self.url}/api/token/refresh/", json={"refresh": who}, timeout=30).json()
            header = f"Bearer {refreshed['access']}"
        answer = requests.request(method, self.url + path, headers={"Authorization": header}, timeout=60, **options)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json() if answer.content else None

    def project(self, title: str) -> Any:
        (found,) = [each for each in self.api("GET", "/api/projects", params={"title": title})["results"] if each["title"] == title]
        return found

    def tasks(self, title: str) -> dict[str, int]:
        """The number of each task by the name of its file; every name stands for one task."""
        asked = {"project": self.project(title)["id"], "fields": "all", "page_size": 1000}
        tasks = self.api("GET", "/api/tasks", params=asked)["tasks"]
        numbers = {task["data"]["file_name"]: task["id"] for task in tasks}
        assert len(numbers) == len(tasks)
        return numbers

    def annotate(self, task: int, *choices: str, who: str = "", **fields: Any) -> int:
        """Answer as the page does that a person sees; returns the annotation's number."""
        body = {"result": [region(*choices)] if choices else []} | fields
        return int(self.api("POST", f"/api/tasks/{task}/annotations/", who, json=body)["id"])


def region(*choices: str) -> dict[str, Any]:
    return {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": list(choices)}}


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Start Label Studio on a free port, its data in `folder`, and sign a second person up."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not there: `make test-label-studio` installs it")
    port = free_port()
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_USERNAME": ADMIN,
        "LABEL_STUDIO_PASSWORD": PASSWORD,
        "LABEL_STUDIO_USER_TOKEN": LEGACY,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    command = [str(PROGRAM), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process)
        personal = requests.post(f"{url}/api/token/", json={}, headers={"Authorization": f"Token {LEGACY}"}, timeout=30).json()[
            "token"
        ]
        yield Server(url, LEGACY, personal, _sign_up(url))
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder / "media", ignore_errors=True)


def _wait(url: str, process: subprocess.Popen[bytes], seconds: float = 600) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert process.poll() is None, "Label Studio ended"
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/health", timeout=10).json() == {"status": "UP"}:
                return
        time.sleep(0.5)
    raise AssertionError("Label Studio did not become ready")


def _sign_up(url: str) -> str:
    """Take the administrator's invitation as a second person does; the personal access token of that person."""
    invitation = requests.get(f"{url}/api/invite", headers={"Authorization": f"Token {LEGACY}"}, timeout=30).json()["invite_url"]
    with requests.Session() as browser:
        page = browser.get(url + invitation, timeout=30)
        form = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.text)
        assert form
        fields = {"csrfmiddlewaretoken": form[1], "email": "second@example.com", "password": PASSWORD}
        browser.post(page.url, data=fields, headers={"Referer": page.url}, timeout=30).raise_for_status()
        headers = {"X-CSRFToken": browser.cookies["csrftoken"], "Referer": url}
        return str(browser.post(f"{url}/api/token/", json={}, headers=headers, timeout=30).json()["token"])
