"""The real Label Studio: `make test-label-studio` installs it and runs these."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labelling import upload
from labelling.choose import all_images
from labelling.errors import CallFailed, LabellingError
from labelling.label_studio import LabelStudio, PersonalAccessToken
from labelling.parameters import LABELS, Parameters
from quire.items.tables import Label, Prediction, read_table
from stages.extract import extract
from stages.import_labels import import_labels
from tests.conftest import Encode, extracted_into
from tests.labelling.conftest import PATHS, Folder
from tests.labelling.label_studio_server import Server, region, running
from tests.stages.test_extract import BOUNDS
from tests.stages.test_import_labels import PARAMETERS

pytestmark = [pytest.mark.server, pytest.mark.label_studio]
PUSH, PULL, STATUS = ([command, "--tool", "label-studio"] for command in ("push", "pull", "status"))
NUMBERS = itertools.count()


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("label-studio")) as started:
        yield started


@pytest.fixture
def project(server: Server, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> str:
    """A title of one's own."""
    monkeypatch.setattr(upload, "PAUSES", (0.0, 0.0, 0.0))
    title = f"project-{next(NUMBERS)}"
    folder.write("params.yaml", (folder.path / "params.yaml").read_text().replace("project: quire", f"project: {title}"))
    folder.environment |= {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_TOKEN": server.legacy}
    return title


@pytest.fixture
def client(server: Server, parameters: Parameters) -> LabelStudio:
    return LabelStudio(server.url, server.personal, parameters)


def imported(folder: Folder) -> tuple[dict[str, Label], dict[str, Any]]:
    """Pull, then import."""
    done = folder.run(*PULL)
    assert done.returncode == 0, done.stderr
    import_labels(*(folder.path / name for name in PATHS), **PARAMETERS)
    return {row.key: row for row in read_table(LABELS, Label)}, json.loads((folder.path / PATHS[-1]).read_text())


@pytest.mark.parametrize("kind", ["legacy", "personal"])
def test_a_push_with_either_token_brings_everything_about_once(server: Server, folder: Folder, project: str, kind: str) -> None:
    folder.environment["LABEL_STUDIO_TOKEN"] = getattr(server, kind)
    first = folder.run(*PUSH)
    assert (first.returncode, first.stdout) == (0, f"push: {project}: 0 of 24 were there, 24 sent, 0 refused\n"), first.stderr
    assert folder.run(*PUSH).stdout == f"push: {project}: 24 of 24 were there, 0 sent, 0 refused\n"
    assert set(server.tasks(project)) == {path.name for path in (folder.path / "data" / "images").iterdir()}
    assert 'value="dog"' in server.project(project)["label_config"]


def test_the_image_that_a_person_sees_is_ours(server: Server, folder: Folder, project: str, client: LabelStudio) -> None:
    client.push(project, all_images())
    for task in client._tasks(server.project(project)["id"]):
        shown = client.session.call("GET", task["data"]["image"]).content
        assert shown == (folder.path / "data" / "images" / task["data"]["file_name"]).read_bytes()


CHANGES = 5  # the project, and two batches of files and tasks


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", range(1, CHANGES + 1))
def test_a_push_that_is_killed_anywhere_goes_on(
    server: Server, folder: Folder, project: str, client: LabelStudio, monkeypatch: pytest.MonkeyPatch, point: int, when: str
) -> None:
    call, counted = client.session.call, itertools.count(1)
    monkeypatch.setattr("labelling.upload.PARALLEL", 1)

    def killed(method: str, path: str, **options: Any) -> Any:
        number = next(counted) if method == "POST" else 0
        if (number, when) == (point, "before"):
            raise Killed
        answer = call(method, path, **options)
        if (number, when) == (point, "after"):
            raise Killed
        return answer

    monkeypatch.setattr(client.session, "call", killed)
    with pytest.raises(Killed):
        client.push(project, all_images())
    monkeypatch.setattr(client.session, "call", call)
    client.push(project, all_images())
    assert len(server.tasks(project)) == 24
    number = server.project(project)["id"]
    files = client.session.json("GET", f"/api/projects/{number}/file-uploads", params={"all": "true"})
    assert len(files) == 24


def test_tasks_whose_answer_was_lost_are_not_made_twice(
    server: Server, project: str, client: LabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = client.session.call
    lost: list[str] = []

    def cut(method: str, path: str, **options: Any) -> Any:
        answer = call(method, path, **options)
        if isinstance(options.get("json"), list) and not lost:
            lost.append(path)
            raise CallFailed(path, None, "the connection was cut")
        return answer

    monkeypatch.setattr(client.session, "call", cut)
    pushed = client.push(project, all_images())
    assert (pushed.there, pushed.sent, len(lost)) == (0, 24, 1)
    assert len(server.tasks(project)) == 24


def test_an_access_token_is_renewed_when_it_is_refused(server: Server, project: str, client: LabelStudio) -> None:
    auth = client.session.http.auth
    assert isinstance(auth, PersonalAccessToken)
    client.projects()
    first, auth.access = auth.access, "an.old.one"
    assert client.push(project, all_images()).sent == 24
    assert auth.access.count(".") == 2
    assert auth.access not in (first, "an.old.one")


def test_a_token_that_is_refused_is_said_in_the_servers_words(server: Server, folder: Folder, project: str) -> None:
    folder.environment["LABEL_STUDIO_TOKEN"] = "a.b.c"
    assert "/api/token/refresh/: 401: Token is invalid" in folder.run(*PUSH).stderr
    folder.environment["LABEL_STUDIO_TOKEN"] = "0" * 40
    assert "/api/projects: 401: Invalid token." in folder.run(*PUSH).stderr


def test_a_project_that_is_there_otherwise_is_said(server: Server, folder: Folder, project: str) -> None:
    folder.run(*PUSH)
    text = (folder.path / "params.yaml").read_text()
    folder.write("params.yaml", text.replace("#00f", "#0f0"))
    assert f"project {project} is there with another label config" in folder.run(*PUSH).stderr
    folder.write("params.yaml", text)
    server.api("POST", "/api/projects/", json={"title": project})
    assert f"all bear the title {project}: delete or rename all but one" in folder.run(*PUSH).stderr


def test_a_name_in_another_script_and_equal_images_come_back(
    server: Server, folder: Folder, project: str, make_image: Encode
) -> None:
    names = ["Übersicht {1}_page0_index0.png", "equal_page0_index0.png", "other_page0_index0.png"]
    folder.keep(dict(zip(names, [make_image("PNG"), make_image("PNG", seed=1), make_image("PNG", seed=1)], strict=True)))
    folder.run(*PUSH)
    for (_, task), label in zip(sorted(server.tasks(project).items()), ["dog", "cat", "other"], strict=True):
        server.annotate(task, label)
    labels, report = imported(folder)
    assert {row.key for row in labels.values()} == {name.removesuffix(".png") for name in names}
    assert (report["orphan"], report["warnings"]) == ([], [])


def test_what_is_no_answer_is_no_label_and_a_corrected_one_counts(server: Server, folder: Folder, project: str) -> None:
    folder.run(*PUSH)
    skipped, empty, drafted, changed, agreed, *_ = sorted(server.tasks(project).items())
    server.annotate(skipped[1], was_cancelled=True)
    server.annotate(empty[1])
    server.api("POST", f"/api/tasks/{drafted[1]}/drafts", json={"result": [region("cat")]})
    number = server.annotate(changed[1], "cat")
    for who in ("", server.second):
        server.annotate(agreed[1], "dog", who=who)
    labels, report = imported(folder)
    assert {key: (row.label, row.votes) for key, row in labels.items()} == {
        Path(changed[0]).stem: ("cat", 1),
        Path(agreed[0]).stem: ("dog", 2),
    }
    assert [report[kind][0]["key"] for kind in ("skipped", "empty", "in_progress")] == [
        Path(name).stem for name, _ in (skipped, empty, drafted)
    ]
    assert f"{project}: 2 of 24 images answered, unfinished, 22 images still wait; nothing new" in folder.run(*PULL).stdout
    (first,) = (folder.path / "data" / "annotations").glob("*.json")
    server.api("PATCH", f"/api/annotations/{number}/", json={"result": [region("other")]})
    first.rename(first.with_name(f"label-studio-{project}-20250101T000000Z-{first.stem[-8:]}.json"))
    labels, report = imported(folder)
    assert labels[Path(changed[0]).stem].label == "other"
    assert (len(report["superseded"]), report["conflict"]) == (1, [])


def test_status_says_who_did_what_and_where_they_differ(server: Server, folder: Folder, project: str) -> None:
    folder.run(*PUSH)
    tasks = [number for _, number in sorted(server.tasks(project).items())]
    for task, one, other in zip(tasks, ["cat", "dog", "dog"], ["cat", "dog", "cat"], strict=False):
        server.annotate(task, one)
        server.annotate(task, other, who=server.second)
    lines = folder.run(*STATUS).stdout.splitlines()
    assert lines[0] == f"{project}: 3 of 24 images have an answer"
    assert [line.split(" ", 3)[3] for line in lines[1:3]] == [
        "admin@example.com: 3 images: 1 cat, 2 dog",
        "second@example.com: 3 images: 2 cat, 1 dog",
    ]
    assert "agree on 67% of 3 images, Cohen's kappa 0.40" in lines[3]
    assert lines[4:] == ["  1 conflicts", f"    {sorted(server.tasks(project))[2]}: label-studio:1 dog, label-studio:2 cat"]


def test_a_round_asks_only_for_what_does_not_wait_already(server: Server, folder: Folder, project: str) -> None:
    folder.run(*PUSH)
    tasks = server.tasks(project)
    for name in ("a_page0_index0.jpg", "a_page1_index0.jpg"):
        server.annotate(tasks[name], "cat")
    folder.write("data/split.csv", "key,set,fold\nf_page0_index0,test,\n")
    keys = ("a_page0_index0", "b_page0_index0", "f_page1_index0")
    folder.predict("reports/predictions.csv", *(Prediction(key=key, prediction="dog", decision="unsure") for key in keys))
    said = folder.run(*PUSH, "--only", "unsure").stdout
    assert f"push: {project}-unsure-" in said
    assert "0 of 1 were there, 1 sent, 0 refused" in said
    assert "1 of 1 were there, 0 sent, 0 refused" in folder.run(*PUSH, "--only", "unsure").stdout


def test_the_real_labels_come_through_unchanged(
    server: Server, folder: Folder, project: str, real_pdfs: Path, real_export: Path
) -> None:
    for path in (folder.path / "data" / "images").iterdir():
        path.unlink()
    extract(real_pdfs, *extracted_into(folder.path / "data"), **BOUNDS)
    assert folder.run(*PUSH).stdout == f"push: {project}: 0 of 147 were there, 147 sent, 0 refused\n"
    given = {Path(row["fileName"]).stem: row["annotation"]["label"] for row in json.loads(real_export.read_bytes())["annotations"]}
    tasks = server.tasks(project)
    for key, label in given.items():
        server.annotate(tasks[f"{key}.jpg"], label)
    labels, report = imported(folder)
    assert len(labels) == 142
    assert {key: row.label for key, row in labels.items()} == given
    assert [len(report[kind]) for kind in ("unlabelled", "conflict", "tie", "orphan")] == [5, 0, 0, 0]


def test_without_a_project_there_is_nothing_to_pull(server: Server, folder: Folder, project: str, client: LabelStudio) -> None:
    assert f"no project {project} among those that the token's user sees; push first" in folder.run(*PULL).stderr
    with pytest.raises(LabellingError, match=f"no project {project}"):
        client.pull(project)
