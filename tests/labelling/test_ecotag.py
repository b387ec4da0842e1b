"""Ecotag, by a server that behaves as its source says."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from labelling import upload
from labelling.choose import all_images
from labelling.ecotag import Ecotag
from labelling.errors import CallFailed, LabellingError
from labelling.parameters import LABELS, Parameters
from labelling.session import Bearer
from quire.decode import decode
from quire.items.tables import Label, Prediction, read_table
from stages.extract import extract
from stages.import_labels import import_labels
from tests.conftest import Encode, extracted_into
from tests.labelling.conftest import PATHS, Folder
from tests.labelling.ecotag_server import State, token
from tests.quire.test_decode import HEIC
from tests.stages.test_extract import BOUNDS
from tests.stages.test_import_labels import PARAMETERS

pytestmark = pytest.mark.server
PUSH, PULL, STATUS = ([command, "--tool", "ecotag"] for command in ("push", "pull", "status"))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PAUSES", (0.0, 0.0, 0.0))


def whole(state: State, folder: Folder) -> None:
    """Assert that all is there, once, and as it was sent."""
    (group,), (dataset,), (project,) = state.groups, state.datasets, state.projects
    assert (group["name"], group["userIds"]) == ("quire-team", ["user-2"])
    contents = {path.name: path.read_bytes() for path in (folder.path / "data" / "images").iterdir()}
    assert len(dataset["files"]) == len(contents)
    assert {file["fileName"]: file["content"] for file in dataset["files"]} == contents
    assert (dataset["name"], dataset["locked"], dataset["classification"]) == ("quire", "Locked", "Internal")
    assert (project["name"], project["datasetId"], project["numberCrossAnnotation"]) == ("quire", dataset["id"], 1)
    assert [(label["name"], label["color"]) for label in project["labels"]] == [
        ("cat", "#FF0000"),
        ("dog", "#00f"),
        ("other", "#999999"),
    ]


def annotate(state: State, client: Ecotag, label_of: dict[str, str], who: str = "2", project: str = "quire") -> None:
    """Give labels, by file name, through the API as a person's browser does."""
    found = next(each for each in state.projects if each["name"] == project)
    files = {file["fileName"]: file["id"] for each in state.datasets if each["id"] == found["datasetId"] for file in each["files"]}
    for name, label in label_of.items():
        body = {"expectedOutput": json.dumps({"label": label})}
        url = f"{client.session.base}/Annotations/{found['id']}/{files[name]}"
        requests.post(url, json=body, auth=Bearer(token(who)), timeout=10).raise_for_status()


def test_a_push_brings_everything_about_and_a_second_one_changes_nothing(ecotag: State, folder: Folder) -> None:
    first = folder.run(*PUSH)
    assert (first.returncode, first.stdout) == (0, "push: quire: 0 of 24 were there, 24 sent, 0 refused\n")
    whole(ecotag, folder)
    before = len(ecotag.changing())
    assert folder.run(*PUSH).stdout == "push: quire: 24 of 24 were there, 0 sent, 0 refused\n"
    whole(ecotag, folder)
    assert ecotag.changing()[before:] == [f"POST /Datasets/{ecotag.datasets[0]['id']}/lock"]


CHANGES = 8  # team, members, dataset, three uploads, lock, project


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", range(1, CHANGES + 1))
def test_a_push_that_is_killed_anywhere_goes_on(ecotag: State, client: Ecotag, folder: Folder, point: int, when: str) -> None:
    """SIGKILL as the server gets the call, or has done what it asks and not answered."""
    surroundings = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | folder.environment
    pushing: list[subprocess.Popen[bytes]] = []

    def kill(number: int, call: str, moment: str) -> str | None:
        if (number, moment) != (point, when):
            return None
        pushing[0].send_signal(signal.SIGKILL)
        pushing[0].wait(10)
        return "cut"

    ecotag.fault = kill
    command = [sys.executable, "-m", "quire", "labels", *PUSH]
    pushing.append(subprocess.Popen(command, cwd=folder.path, env=surroundings, stderr=subprocess.DEVNULL))
    assert pushing[0].wait(30) == -signal.SIGKILL
    ecotag.fault = lambda *_: None
    client.push("quire", all_images())
    whole(ecotag, folder)


@pytest.mark.parametrize("wrong", ["cut", "500 id", "502 html", "503"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_upload_without_an_answer_is_looked_for_before_it_is_sent_again(
    ecotag: State, client: Ecotag, folder: Folder, wrong: str, when: str
) -> None:
    failed: list[str] = []

    def once(number: int, call: str, moment: str) -> str | None:
        if call.endswith("/files") and moment == when and not failed:
            failed.append(call)
            return wrong
        return None

    ecotag.fault = once
    pushed = client.push("quire", all_images())
    assert (pushed.there, pushed.sent, pushed.refused, len(failed)) == (0, 24, {}, 1)
    whole(ecotag, folder)


@pytest.mark.parametrize("path", ["POST /Groups", "POST /Datasets", "POST /Projects"])
def test_what_was_made_without_an_answer_is_found(ecotag: State, client: Ecotag, folder: Folder, path: str) -> None:
    ecotag.fault = lambda number, call, moment: "cut" if (call, moment) == (path, "after") else None
    client.push("quire", all_images())
    whole(ecotag, folder)


def test_a_token_that_expires_on_the_way_is_said_and_the_push_goes_on_with_another(ecotag: State, folder: Folder) -> None:
    ecotag.fault = lambda number, call, moment: "401" if number > 4 and moment == "before" else None
    failed = folder.run(*PUSH)
    assert failed.returncode == 1
    assert "/files: 401: the token is refused, or it has expired" in failed.stderr
    assert "Traceback" not in failed.stderr
    ecotag.fault = lambda *_: None
    there = len(ecotag.datasets[0]["files"])
    assert folder.run(*PUSH).stdout == f"push: quire: {there} of 24 were there, {24 - there} sent, 0 refused\n"
    whole(ecotag, folder)


def test_a_request_keeps_within_the_servers_caps(ecotag: State, client: Ecotag, folder: Folder) -> None:
    folder.keep({f"{name}_page0_index0.png": bytes([number]) * 11_000_000 for number, name in enumerate("abcd")})
    assert client.push("quire", all_images()).sent == 4
    assert sum(call.endswith("/files") for call in ecotag.calls) == 2


def test_an_empty_file_is_named_and_nothing_is_locked(ecotag: State, client: Ecotag, folder: Folder, make_image: Encode) -> None:
    folder.keep({"a_page0_index0.png": b"", "b_page0_index0.png": make_image()})
    refused = folder.run(*PUSH)
    assert refused.stdout == "push: quire: 0 of 2 were there, 1 sent, 1 refused\n"
    assert refused.stderr == "push: error: refused:\n  a_page0_index0.png: left out by the server (0 bytes)\n"
    assert (ecotag.datasets[0]["locked"], ecotag.projects) == ("None", [])


def test_a_file_of_another_content_under_our_name_is_named(
    ecotag: State, client: Ecotag, folder: Folder, make_image: Encode
) -> None:
    folder.keep({"a_page0_index0.png": make_image("PNG")})
    ecotag.fault = lambda number, call, moment: "401" if call.endswith("/lock") else None
    with pytest.raises(CallFailed):
        client.push("quire", all_images())
    ecotag.fault = lambda *_: None
    folder.keep({"a_page0_index0.png": make_image("PNG", size=(9, 9))})
    assert "another content is there: " in client.push("quire", all_images()).refused["a_page0_index0.png"]
    folder.keep({"b_page0_index0.png": make_image("PNG")})
    with pytest.raises(LabellingError, match=r"dataset quire holds what is not to be pushed: a_page0_index0.png"):
        client.push("quire", all_images())


def test_new_images_of_a_locked_dataset_are_a_round_of_their_own(
    ecotag: State, folder: Folder, make_image: Encode, client: Ecotag
) -> None:
    client.push("quire", all_images())
    annotate(ecotag, client, {"a_page0_index0.jpg": "cat"})
    images = {path.name: path.read_bytes() for path in (folder.path / "data" / "images").iterdir()}
    folder.keep(images | {"new_page0_index0.jpg": make_image(seed=99)})
    refused = folder.run(*PUSH)
    assert "dataset quire is locked since its first push and lacks new_page0_index0.jpg; `push --only unlabelled`" in refused.stderr
    folder.write("data/labels.csv", "key,label,votes,agreement\na_page0_index0,cat,1,1.0\n")
    done = folder.run(*PUSH, "--only", "unlabelled")
    assert "0 of 1 were there, 1 sent, 0 refused" in done.stdout, done.stderr
    assert ecotag.projects[1]["name"].startswith("quire-unlabelled-")
    assert "1 of 1 were there, 0 sent, 0 refused" in folder.run(*PUSH, "--only", "unlabelled").stdout
    assert len(ecotag.projects) == 2


def test_members_of_a_team_stay_and_annotators_join(ecotag: State, client: Ecotag, folder: Folder, parameters: Parameters) -> None:
    ecotag.groups.append({"id": "g", "name": "quire-team", "createDate": "", "userIds": ["user-1"]})
    folder.write("params.yaml", (folder.path / "params.yaml").read_text().replace("annotators: []", "annotators: [3@Example.com]"))
    assert folder.run(*PUSH).returncode == 0
    assert set(ecotag.groups[0]["userIds"]) == {"user-1", "user-2", "user-3"}
    folder.write("params.yaml", (folder.path / "params.yaml").read_text().replace("3@Example.com", "nobody@example.com"))
    assert "labelling.annotators: nobody@example.com is no user of Ecotag" in folder.run(*PUSH).stderr


def test_a_client_without_a_subject_acts_as_the_computer(ecotag: State, folder: Folder) -> None:
    folder.environment["ECOTAG_TOKEN"] = token(None)
    refused = folder.run(*PUSH)
    assert "POST" in refused.stderr
    assert "/Groups: 403: not allowed for the token's user: the role or the team is missing" in refused.stderr
    ecotag.groups.append({"id": "g", "name": "quire-team", "createDate": "", "userIds": ["user-computer"]})
    assert folder.run(*PUSH).returncode == 0


@pytest.mark.parametrize("kind", ["Datasets", "Projects"])
def test_a_name_taken_by_what_one_cannot_see_is_said(ecotag: State, client: Ecotag, kind: str) -> None:
    if kind == "Datasets":
        ecotag.taken = {"quire"}
    else:
        ecotag.fault = lambda number, call, moment: ecotag.taken.add("quire") if call.endswith("/lock") else None
    with pytest.raises(LabellingError, match=f"{kind}: the name quire is taken by one that you cannot see"):
        client.push("quire", all_images())


def test_a_project_that_is_there_otherwise_is_said(ecotag: State, folder: Folder, client: Ecotag) -> None:
    client.push("quire", all_images())
    text = (folder.path / "params.yaml").read_text()
    folder.write("params.yaml", text.replace("#00f", "#0f0"))
    assert "Projects: quire is there with labels {'cat': '#ff0000', 'dog': '#00f'" in folder.run(*PUSH).stderr
    folder.write("params.yaml", text.replace("Internal", "Public"))
    assert "Datasets: quire is there with classification Internal, not Public" in folder.run(*PUSH).stderr


@pytest.mark.parametrize(("extension", "encoding"), [("webp", "WEBP"), ("avif", "AVIF"), ("gif", "GIF"), ("heic", "HEIC")])
def test_what_ecotag_does_not_take_is_sent_as_png_and_its_labels_come_home(
    ecotag: State, client: Ecotag, folder: Folder, make_image: Encode, extension: str, encoding: str
) -> None:
    content = HEIC if encoding == "HEIC" else make_image(encoding)
    raw = folder.path / "data" / "raw"
    raw.mkdir()
    for name, data in {f"a.{extension}": content, "b.jpg": make_image()}.items():
        (raw / name).write_bytes(data)
    extract(raw, *extracted_into(folder.path / "data"), **BOUNDS)
    assert folder.run(*PUSH).stdout == "push: quire: 0 of 2 were there, 2 sent, 0 refused\n"
    assert folder.run(*PUSH).stdout == "push: quire: 2 of 2 were there, 0 sent, 0 refused\n"
    sent = {file["fileName"]: file["content"] for file in ecotag.datasets[0]["files"]}
    assert sorted(sent) == [f"a.{extension}.png", "b.jpg"]
    assert decode(sent[f"a.{extension}.png"]).tobytes() == decode(content).tobytes()
    annotate(ecotag, client, {f"a.{extension}.png": "cat"})
    assert folder.run(*PULL).returncode == 0
    import_labels(*(folder.path / path for path in PATHS), **PARAMETERS)
    assert [(row.key, row.label) for row in read_table(folder.path / "data" / "labels.csv", Label)] == [(f"a.{extension}", "cat")]


def test_names_are_checked_before_the_first_call(ecotag: State, folder: Folder, make_image: Encode) -> None:
    text = (folder.path / "params.yaml").read_text()
    folder.write("params.yaml", text.replace("cat,", "ca,").replace("cat:", "ca:"))
    assert "'ca': Ecotag takes names of 3 to 48 letters" in folder.run(*PUSH).stderr
    folder.write("params.yaml", text)
    folder.keep({"&" * 200 + "_page0_index0.png": make_image("PNG")})
    assert "Ecotag takes names of 3 to 512 letters, digits and -_. (){}" in folder.run(*PUSH).stderr
    assert ecotag.calls == []


def test_a_name_in_another_script_goes_and_comes_back(ecotag: State, folder: Folder, client: Ecotag, make_image: Encode) -> None:
    folder.keep({"Übersicht {1}_page0_index0.png": make_image("PNG"), "b_page0_index0.png": make_image("PNG", seed=1)})
    assert folder.run(*PUSH).returncode == 0
    escaped = "{dc}bersicht {7b}1{7d}_page0_index0.png"
    assert {file["fileName"] for file in ecotag.datasets[0]["files"]} == {escaped, "b_page0_index0.png"}
    annotate(ecotag, client, {escaped: "cat", "b_page0_index0.png": "dog"})
    labels, report = pulled_and_imported(folder)
    assert {key: row.label for key, row in labels.items()} == {"Übersicht {1}_page0_index0": "cat", "b_page0_index0": "dog"}
    assert report["orphan"] == []


def test_every_shape_of_error_is_in_the_servers_own_words(ecotag: State, client: Ecotag) -> None:
    session, team = client.session, {"id": "g", "name": "x", "userIds": ["user-2"]}
    ecotag.groups.append(team)
    project: dict[str, Any] = {
        "name": "new",
        "datasetId": "no",
        "groupId": "g",
        "numberCrossAnnotation": 1,
        "annotationType": "ImageClassifier",
    }
    calls: list[tuple[str, str, Any, str]] = [
        ("POST", "/Groups", {"name": "x y"}, "400: InvalidModel {\"Name\": \"The field Name must match"),
        ("POST", "/Groups", {"name": "X"}, "400: InvalidModel"),
        ("PUT", "/Groups", {"id": "h", "userIds": []}, "400: GroupNotFound"),
        ("POST", "/Projects", project | {"labels": [{"name": "cat", "color": "red", "id": "0"}]}, "400: One or more validation"),
        ("POST", "/Projects", project | {"labels": []}, "500: requestId 0HN8"),
        ("GET", "/Datasets/nothing", None, "404: no word from the server"),
    ]  # fmt: skip
    for method, path, body, said in calls:
        with pytest.raises(CallFailed) as failure:
            session.call(method, path, json=body)
        assert str(failure.value).startswith(f"{method} {session.base}{path}: {said}")
    ecotag.fault = lambda number, call, moment: "400 html"
    with pytest.raises(CallFailed, match="400: 502 Bad Gateway"):
        session.call("GET", "/Users")


def test_a_guid_comes_raw_or_quoted(ecotag: State, client: Ecotag) -> None:
    bodies = []
    for number, accept in enumerate(("*/*", "application/json")):
        headers, body = {"Accept": accept}, {"name": f"team-{number}"}
        bodies.append(
            requests.post(f"{client.session.base}/Groups", json=body, headers=headers, auth=Bearer(token()), timeout=10).text
        )
    assert [body.strip('"') for body in bodies] == [group["id"] for group in ecotag.groups]
    assert [body[0] == '"' for body in bodies] == [False, True]


def test_a_server_that_is_not_there_and_a_token_that_is_missing(folder: Folder) -> None:
    folder.environment |= {"ECOTAG_URL": "http://127.0.0.1:9/api/server", "ECOTAG_TOKEN": token()}
    assert folder.run(*PUSH).stderr == "push: error: GET http://127.0.0.1:9/api/server/Users: nothing answers there\n"
    folder.environment["ECOTAG_TOKEN"] = "no-jwt"
    folder.environment["ECOTAG_TOKEN"] = ""
    assert folder.run(*PUSH).stderr == "push: error: ECOTAG_TOKEN is empty, and there is nobody to ask\n"
    folder.environment["ECOTAG_URL"] = "localhost:5010"
    folder.environment["ECOTAG_TOKEN"] = token()
    assert "it begins with http:// or https://" in folder.run(*PUSH).stderr
    folder.environment["ECOTAG_URL"] = ""
    assert folder.run(*PUSH).stderr == "push: error: ECOTAG_URL names no server\n"


def pulled_and_imported(folder: Folder) -> tuple[dict[str, Label], dict[str, Any]]:
    """Pull, then import."""
    done = folder.run(*PULL)
    assert done.returncode == 0, done.stderr
    import_labels(*(folder.path / name for name in PATHS), **PARAMETERS)
    return {row.key: row for row in read_table(LABELS, Label)}, json.loads((folder.path / PATHS[-1]).read_text())


def test_a_pull_keeps_the_export_as_it_came_and_the_newest_counts(ecotag: State, folder: Folder, client: Ecotag) -> None:
    client.push("quire", all_images())
    annotate(ecotag, client, {"a_page0_index0.jpg": "cat"})
    labels, _ = pulled_and_imported(folder)
    assert labels["a_page0_index0"].label == "cat"
    (first,) = (folder.path / "data" / "annotations").glob("*.json")
    assert first.name.startswith("ecotag-quire-20")
    assert json.loads(first.read_bytes())["annotations"][0]["createDate"] == ecotag.annotations[0]["createDate"]
    assert (folder.path / "data" / "annotations.dvc").exists()
    assert "quire: 1 of 24 images answered, unfinished, 23 images still wait; nothing new" in folder.run(*PULL).stdout
    ecotag.annotations[0]["annotation"]["label"] = "dog"  # an edit, which changes no date
    first.rename(first.with_name(first.name.replace(first.name[13:21], "20250101")))
    labels, report = pulled_and_imported(folder)
    assert labels["a_page0_index0"].label == "dog"
    assert report["conflict"] == []
    assert len(report["superseded"]) == 1
    assert len(list((folder.path / "data" / "annotations").glob("*.json"))) == 2


def test_a_person_who_is_asked_again_in_a_round_changes_the_label(ecotag: State, folder: Folder, client: Ecotag) -> None:
    client.push("quire", all_images())
    names = sorted(file["fileName"] for file in ecotag.datasets[0]["files"])
    annotate(ecotag, client, dict.fromkeys(names, "cat"))
    pulled_and_imported(folder)
    said = {"a_page0_index0": "dog", "b_page0_index0": "cat"}
    rows = (Prediction(key=key, fold=0, label="cat", prediction=label, decision=label) for key, label in said.items())
    folder.predict("reports/out_of_fold.csv", *rows)
    folder.write("data/split.csv", "key,set,fold\nf_page0_index0,test,\n")
    assert "0 of 1 were there, 1 sent" in folder.run(*PUSH, "--only", "disagreement").stdout
    annotate(ecotag, client, {"a_page0_index0.jpg": "dog"}, project=ecotag.projects[1]["name"])
    labels, report = pulled_and_imported(folder)
    assert labels["a_page0_index0"].label == "dog"
    assert report["conflict"] == []


def test_an_empty_project_is_pulled_and_said_to_be_so(ecotag: State, folder: Folder, client: Ecotag) -> None:
    assert "no project quire among those" in folder.run(*PULL).stderr
    client.push("quire", all_images())
    assert (
        "quire: 0 of 24 images answered, unfinished, 24 images still wait; data/annotations/ecotag-quire-"
        in folder.run(*PULL).stdout
    )


def test_status_says_who_did_what_and_where_they_differ(ecotag: State, folder: Folder, client: Ecotag) -> None:
    client.push("quire", all_images())
    ecotag.groups[0]["userIds"].append("user-3")
    annotate(
        ecotag,
        client,
        {"a_page0_index0.jpg": "cat", "a_page1_index0.jpg": "dog", "a_page2_index0.jpg": "dog", "b_page0_index0.jpg": "dog"},
    )
    annotate(ecotag, client, {"a_page0_index0.jpg": "cat", "a_page1_index0.jpg": "dog", "a_page2_index0.jpg": "cat"}, who="3")
    assert folder.run(*STATUS).stdout.splitlines() == [
        "quire: 4 of 24 images have an answer",
        "  ecotag:2 2@example.com: 4 images: 1 cat, 3 dog",
        "  ecotag:3 3@example.com: 3 images: 2 cat, 1 dog",
        "  ecotag:2 and ecotag:3: agree on 67% of 3 images, Cohen's kappa 0.40",
        "  1 conflicts",
        "    a_page2_index0.jpg: ecotag:2 dog, ecotag:3 cat",
    ]


def test_the_real_labels_come_through_unchanged(
    ecotag: State, folder: Folder, client: Ecotag, real_pdfs: Path, real_export: Path
) -> None:
    for path in (folder.path / "data" / "images").iterdir():
        path.unlink()
    extract(real_pdfs, *extracted_into(folder.path / "data"), **BOUNDS)
    assert folder.run(*PUSH).stdout == "push: quire: 0 of 147 were there, 147 sent, 0 refused\n"
    given = {Path(row["fileName"]).stem: row["annotation"]["label"] for row in json.loads(real_export.read_bytes())["annotations"]}
    annotate(ecotag, client, {f"{key}.jpg": label for key, label in given.items()})
    labels, report = pulled_and_imported(folder)
    assert len(labels) == 142
    assert {key: row.label for key, row in labels.items()} == given
    assert [len(report[kind]) for kind in ("unlabelled", "conflict", "tie", "orphan")] == [5, 0, 0, 0]
