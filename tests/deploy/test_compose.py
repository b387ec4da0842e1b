"""What deploy/compose.yaml says, without Docker; and MLflow's server as its image starts it, with a real store."""

import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from deploy.store import Store
from tests.conftest import ROOT, free_port
from tests.deploy.conftest import BINARIES, keys

DEPLOY = ROOT / "deploy"


def compose() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(DEPLOY / "compose.yaml"))


def test_each_service_says_when_it_is_healthy_and_listens_on_loopback() -> None:
    for name, service in compose()["services"].items():
        assert "test" in service["healthcheck"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_no_password_has_a_default() -> None:
    for found in re.findall(
        r"^\s*\w*(?:SECRET|PASSWORD|ACCESS_KEY|ROOT_USER)\w*:\s*(.+)$", (DEPLOY / "compose.yaml").read_text(), re.MULTILINE
    ):
        assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", found), found


def test_each_image_is_built_from_files_that_are_here() -> None:
    for service in [service for service in compose()["services"].values() if "build" in service]:
        build = service["build"] if isinstance(service["build"], dict) else {"context": service["build"]}
        context = (DEPLOY / build["context"]).resolve()
        dockerfile = (context / build.get("dockerfile", "Dockerfile")).read_text()
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
            assert all((context / source).is_file() for source in sources.split()), sources


@pytest.mark.server
def test_an_artifact_is_written_to_the_store_and_read_back(minio: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client holds no key: the server carries its artifacts."""
    import mlflow

    told = re.search(r'CMD \["sh", "-c", "exec (.+)"\]', (DEPLOY / "mlflow" / "Dockerfile").read_text())
    assert told
    port = str(free_port())
    command = told[1].replace("${QUIRE_BUCKET:-quire}", minio.bucket).replace("/data/", f"{tmp_path}/").replace("5000", port)
    command = command.replace("0.0.0.0", "127.0.0.1").replace("mlflow server", f"{BINARIES}/mlflow server", 1)
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"} | minio.environment()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(shlex.split(command), env=os.environ | settings, stdout=log, stderr=log, cwd=tmp_path)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
        (tmp_path / "note.txt").write_text("an artifact")
        client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
        run = client.create_run("0").info.run_id
        client.log_artifact(run, str(tmp_path / "note.txt"))
        assert keys(minio, "mlflow") == {f"mlflow/0/{run}/artifacts/note.txt"}
        assert Path(client.download_artifacts(run, "note.txt", str(tmp_path.parent))).read_text() == "an artifact"
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_healthy(url: str, process: "subprocess.Popen[bytes]", seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert process.poll() is None, "MLflow ended"
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError("MLflow did not become healthy")
