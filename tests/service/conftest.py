"""A real BentoML process, started as a user starts it, with a small model of known answers."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, free_port
from tests.quire.model.test_predictor import write_model


@dataclass
class Server:
    """A running service: `client` talks to it, `folder` holds its model and store, `process` is its supervisor."""

    client: httpx.Client
    folder: Path
    process: subprocess.Popen[str]

    def log(self) -> str:
        return (self.folder / "log").read_text()


Serve = Callable[..., AbstractContextManager[Server]]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """A process environment in which the service reads its model and keeps its store in `folder`."""
    home = folder.parent / "bentoml"  # one for all services, as a user has it
    own = {"QUIRE_MODEL": str(folder / "model"), "QUIRE_STORE": str(folder / "store"), "BENTOML_HOME": str(home)}
    spy = {
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("QUIRE_TEST_PATH"), str(ROOT / "tests" / "no_network")])),
        "QUIRE_CONNECTIONS": str(folder / "connections"),
        "NO_PROXY": "127.0.0.1",
    }
    return os.environ | own | spy | {f"QUIRE_{name.upper()}": value for name, value in settings.items()}


def command(port: int, *options: str) -> list[str]:
    return [str(Path(sys.executable).parent / "bentoml"), "serve", "--port", str(port), *options]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """A function that starts a service with settings, for a with block."""

    @contextlib.contextmanager
    def start(**settings: str) -> Iterator[Server]:
        folder, port = tmp_path_factory.mktemp("service"), free_port()
        write_model(folder / "model")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                command(port), cwd=ROOT, env=environment(folder, **settings), stdout=log, stderr=subprocess.STDOUT, text=True
            )
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            try:
                wait_until_ready(client, process)
                yield Server(client, folder, process)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=20)

    return start


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[str], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert process.poll() is None, "the service ended"
        with contextlib.suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the service did not become ready")


@pytest.fixture(scope="session")
def server(serve: Serve) -> Iterator[Server]:
    """One service with small limits that most tests share."""
    with serve(
        max_bytes="300000", max_pixels="1000000", max_images="4", max_pages="3", max_seconds="2", keep_images="both"
    ) as running:
        yield running
