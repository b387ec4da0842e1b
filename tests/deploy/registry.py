"""A real registry on loopback: Debian's docker-registry."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

PORT = 5123  # deploy/podman/run lets Podman talk to it without TLS
CONFIGURATION = """
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
log: {{level: warn}}
"""


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not here (Debian: apt-get install docker-registry)")
    folder = tmp_path_factory.mktemp("registry")
    configuration = Path(folder, "config.yml")
    configuration.write_text(CONFIGURATION.format(folder=folder / "data", port=PORT))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{PORT}/v2/")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"127.0.0.1:{PORT}"
    finally:
        process.terminate()
        process.wait(timeout=10)
