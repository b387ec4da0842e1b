"""Run an image as it runs in production, and ask it: ready, one image, one bad image, metrics, health, stop.

python -m deploy.check IMAGE
"""

import contextlib
import io
import socket
import sys
import time
from collections.abc import Iterator

import httpx
from PIL import Image

from deploy.container_engine import ContainerEngine, find_engine
from quire.command import BadInput

# Nothing that the image does not need: as deploy/kubernetes and deploy/compose.yaml run it.
TIGHT = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "1g")  # noqa: S108
SECONDS = 60  # to become ready, and to become healthy


@contextlib.contextmanager
def running(engine: ContainerEngine, image: str, *options: str) -> Iterator[tuple[str, httpx.Client]]:
    """Run an image without authentication on a free port of this machine; yield its container's id and a client."""
    port = _free_port()
    meant = ("--env", "QUIRE_PUBLIC_WITHOUT_AUTH=true", "--env", f"BENTOML_PORT={port}")  # the check alone asks, for a minute
    name = engine.run("run", "--detach", "--publish", f"127.0.0.1:{port}:{port}", *meant, *TIGHT, *options, image).strip()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            _wait_until_ready(engine, name, client)
            yield name, client
    finally:
        engine.run("rm", "--force", "--volumes", name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(engine: ContainerEngine, name: str, client: httpx.Client) -> None:
    limit = time.monotonic() + SECONDS
    while time.monotonic() < limit:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        if engine.run("inspect", "--format", "{{.State.Running}}", name).strip() != "true":
            break
        time.sleep(0.2)
    raise BadInput(f"the container did not become ready:\n{engine.run('logs', name)[-2000:]}")


def check(engine: ContainerEngine, image: str) -> None:
    """Ask all questions. Raises BadInput at the first answer that is wrong."""
    start = time.monotonic()
    with running(engine, image) as (name, client):
        print(f"check: ready after {time.monotonic() - start:.1f} s, its root read-only, without capabilities")
        answer = client.post("/v1/classify", content=_image())
        _expect(answer.status_code == 200, f"one image: {answer.status_code} {answer.text[:200]}")
        print(f"check: one image: {answer.json()['prediction']}, model {answer.json()['model']}")
        refusal = client.post("/v1/classify", content=b"no image")
        _expect(refusal.status_code == 415, f"one bad image: {refusal.status_code} {refusal.text[:200]}")
        print(f"check: one bad image: {refusal.status_code} {refusal.json()['error']['message']}")
        _expect("quire_answers_total" in client.get("/metrics").text, "/metrics does not count the answer")
        _wait_until_healthy(engine, name)
        print("check: metrics and health are told")
        start = time.monotonic()
        engine.run("stop", "--time", "30", name)
        status = engine.run("inspect", "--format", "{{.State.ExitCode}}", name).strip()
        _expect(status == "0", f"stopped with exit status {status}")
        print(f"check: stopped by itself after {time.monotonic() - start:.1f} s")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BadInput(f"check: {otherwise}")


def _wait_until_healthy(engine: ContainerEngine, name: str) -> None:
    """Docker calls the image's health check by itself; Podman does so by systemd, and here is asked to."""
    limit = time.monotonic() + SECONDS
    while time.monotonic() < limit:
        if engine.name == "podman":
            engine.run("healthcheck", "run", name)
            return
        if engine.run("inspect", "--format", "{{.State.Health.Status}}", name).strip() == "healthy":
            return
        time.sleep(1)
    raise BadInput("check: the image's health check does not say healthy")


def _image() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def main() -> None:
    """Check the image that the command line names."""
    try:
        check(find_engine(), sys.argv[1])
    except BadInput as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
