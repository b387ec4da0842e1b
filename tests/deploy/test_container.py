"""The image, built by the engine that is here and looked into. `make test-container` runs this by Debian's Podman."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.check import TIGHT, running
from deploy.container import LIMIT_MB
from deploy.container_engine import ContainerEngine, find_engine
from deploy.publish import publish
from quire.command import BadInput
from tests.deploy.conftest import Project
from tests.deploy.registry import registry
from tests.service.test_api import plain

pytestmark = [pytest.mark.container, pytest.mark.server]
__all__ = ["registry"]  # the fixture


@pytest.fixture(scope="session")
def demo(make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The demo's project with the model that it trains: the bound on the size is for a real one."""
    project = Project(make_project(), tmp_path_factory.mktemp("bentoml"))
    for name in ("data/raw.dvc", "data/annotations.dvc", "data/challenge.dvc", "dvc.lock"):  # of whoever runs the tests
        (project.root / name).unlink(missing_ok=True)
    for command in (("quire", "demo"), ("dvc", "repro")):
        done = project.module(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    project.commit()
    return project


@pytest.fixture(scope="session")
def engine() -> ContainerEngine:
    return find_engine()


@pytest.fixture(scope="session")
def printed(demo: Project, engine: ContainerEngine) -> list[str]:
    """What `make container` printed: it builds, checks and measures by itself."""
    done = demo.run(sys.executable, "-m", "deploy.container")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="session")
def image(demo: Project, printed: list[str]) -> str:
    return demo.module("deploy.bento").stdout.strip()


def inside(engine: ContainerEngine, image: str, script: str) -> str:
    """What a script says that is run in the image as the service is."""
    return engine.run("run", "--rm", *TIGHT, "--entrypoint", "sh", image, "-c", script).strip()


def test_it_is_ready_answers_refuses_and_stops(printed: list[str]) -> None:
    said = [line for line in printed if line.startswith("check: ")]
    assert [line.split(" ")[1] for line in said] == ["ready", "one", "one", "metrics", "stopped"]


def test_it_is_small(printed: list[str]) -> None:
    (total,) = [float(line.split()[1]) for line in printed if "MB compressed" in line]
    assert 50 < total <= LIMIT_MB
    assert (
        sum("\t" in line and " COPY " in line for line in printed) == 2
    )  # the packages and the bento; all below is the base image


def test_nothing_runs_as_root_or_writes_to_the_root(engine: ContainerEngine, image: str) -> None:
    assert inside(engine, image, "id --user") == "1034"
    assert inside(engine, image, "touch /app/x /usr/x /home/x 2>&1 | grep --count 'Read-only file system'") == "3"
    owned = "find /app /usr /etc -xdev \\( -user 1034 -o -perm -o+w -not -type l \\) 2> /dev/null | head"
    assert not inside(engine, image, owned)
    assert inside(engine, image, "touch /tmp/x /var/lib/quire/x && echo written") == "written"


def test_it_holds_no_compiler_no_installer_of_ours_and_nothing_that_trains(engine: ContainerEngine, image: str) -> None:
    assert not inside(engine, image, "command -v gcc cc g++ make git uv curl || true")
    unwanted = "torch|mlflow|dvc|pytorch_lightning|pymupdf|pytest|stages|tests"
    assert not inside(engine, image, f"find /app -maxdepth 5 | grep -E '/({unwanted})$' || true")


def test_it_holds_no_secret_and_no_trace_of_the_machine_that_built_it(engine: ContainerEngine, demo: Project, image: str) -> None:
    described = engine.run("inspect", image) + engine.run("history", "--no-trunc", image)
    names = ("PASSWORD", "SECRET", "TOKEN", "AWS_", "PIP_", "UV_", "PROXY", "PUBLIC_WITHOUT_AUTH")
    assert not [name for name in names if name in described.upper().replace("_SECRETS", "")]
    for text in (str(demo.root), str(demo.home), str(Path(sys.prefix)), "--find-links", "--index-url"):
        assert not inside(engine, image, f"grep -rlF -- '{text}' /app/bento /etc 2> /dev/null || true"), text
    assert not inside(
        engine, image, "find / -xdev \\( -name pip.conf -o -name uv.toml -o -name .netrc \\) -size +0 2> /dev/null || true"
    )


def test_it_refuses_to_be_public_without_authentication(engine: ContainerEngine, image: str) -> None:
    with pytest.raises(BadInput, match=r"0\.0\.0\.0 is a public address and QUIRE_OIDC_ISSUER is not set"):
        engine.run("run", "--rm", *TIGHT, image)


def test_its_health_check_tells_sick_from_well(engine: ContainerEngine, image: str) -> None:
    (described,) = json.loads(engine.run("inspect", image))
    (test,) = {json.dumps(found) for found in _values(described, "Healthcheck")}
    command = json.loads(test)["Test"]
    assert command[:2] == ["CMD", "python"]
    with pytest.raises(BadInput, match="refused"):
        engine.run("run", "--rm", "--env", "BENTOML_PORT=9", "--entrypoint", command[1], image, *command[2:])
    with running(engine, image) as (name, _):
        engine.run("exec", name, *command[1:])


def _values(described: object, name: str) -> Iterator[object]:
    if isinstance(described, dict):
        for key, value in described.items():
            if key == name and value:
                yield value
            else:
                yield from _values(value, name)


def test_metrics_and_feedback_live_in_the_container(engine: ContainerEngine, image: str) -> None:
    with running(engine, image) as (name, client):
        answer = client.post("/v1/classify", content=plain("red", size=(300, 200))).json()
        assert client.post("/v1/feedback", json={"id": answer["id"], "label": answer["prediction"]}).status_code == 201
        assert 'quire_feedback_total{agrees="true"} 1.0' in client.get("/metrics").text
        assert f"{answer['id']}.csv" in engine.run("exec", name, "ls", "/var/lib/quire")


def test_the_bill_of_materials_names_packages_and_model(demo: Project, image: str) -> None:
    bom = json.loads((demo.root / "sbom.cdx.json").read_text())
    assert (bom["bomFormat"], bom["metadata"]["component"]["version"]) == ("CycloneDX", image.partition(":")[2])
    kinds = {component.get("purl", "pkg:none").split("/")[0] for component in bom["components"]}
    assert kinds == {"pkg:pypi", "pkg:deb", "pkg:none"}
    names = {component["name"] for component in bom["components"]}
    assert {"bentoml", "onnxruntime", "libc6", "model.json"} <= names
    assert not {"torch", "uv", "gcc"} & names


def test_a_pushed_image_is_named_by_its_digest_and_can_be_run_by_it(engine: ContainerEngine, image: str, registry: str) -> None:
    pushed = publish(engine, image, registry)
    address, _, digest = pushed.partition("@")
    assert address == f"{registry}/quire"
    manifests = f"http://{registry}/v2/quire/manifests/{digest}"
    assert httpx.get(manifests, headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"}).status_code == 200
    engine.run("pull", pushed, seconds=120)
    with running(engine, pushed) as (_, client):
        assert client.post("/v1/classify", content=plain("red")).status_code == 200
