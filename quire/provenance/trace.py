"""Where an answer, an image or a model comes from: document and page, label and who gave it, set, run, commit."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quire.command import BadInput
from quire.items.tables import Assignment, Given, Item, Label
from quire.model.manifest import Manifest
from quire.provenance.results import ITEMS, LABELS, MODEL, MODEL_FOLDER, SPLIT, VOTES
from quire.provenance.revisions import Version, commits_of, distinct, versions
from quire.tracking import mlflow_client, tracking_uri

Lines = Iterator[tuple[str, str]]  # a name and what it is


def trace(root: Path, subject: str) -> Lines:
    """The facts about a subject, in the order in which one thing led to the next.

    A subject is an image's SHA-256 (8 digits will do), key or file, an answer's id, or a model's file. Raises BadInput for
    anything else.
    """
    path = Path(subject)
    if path.is_file() and path.name == Path(MODEL).name:
        yield from _of_model(root, path.read_bytes(), subject)
    elif path.is_file():
        yield from _of_image(root, hashlib.sha256(path.read_bytes()).hexdigest(), subject, with_model=True)
    elif answer := _answer(subject):
        yield from _of_answer(root, answer)
    else:
        yield from _of_image(root, subject, subject, with_model=True)


def _of_answer(root: Path, answer: dict[str, Any]) -> Lines:
    given = datetime.fromtimestamp(answer["time"], UTC).isoformat(timespec="seconds")
    yield "answer", f"{answer['id']}, given {given}"
    yield "said", f"{answer['prediction']} with {answer['confidence']:.3f}, decision {answer['decision']}"
    if answer["document"]:
        place = f"page {answer['page'] + 1}, image {answer['position'] + 1} of the page"
        yield "sent as", f"{place}, of a PDF with SHA-256 {answer['document']}"
    try:
        yield from _of_image(root, answer["sha256"], answer["sha256"], with_model=False)
    except BadInput:
        yield "image", f"SHA-256 {answer['sha256']}, in no version of {ITEMS}: it was sent to the service only"
    yield from _of_version(root, answer["model"])


def _of_version(root: Path, model: str) -> Lines:
    for version in distinct(versions(root), MODEL_FOLDER):
        content = version.read(MODEL)
        if content and hashlib.sha256(content).hexdigest().startswith(model):
            yield from _of_model(root, content, MODEL)
            return
    yield "model", f"version {model}, neither here nor in a commit whose model lies in the cache or the remote"


def _of_image(root: Path, wanted: str, subject: str, *, with_model: bool) -> Lines:
    for version in distinct(versions(root), ITEMS):
        found = [item for item in version.rows(ITEMS, Item) or [] if _is(item, wanted)]
        for item in found:
            yield from _of_item(version, item)
        if found:
            model = version.read(MODEL) if with_model else None
            yield from _of_model(root, model, MODEL) if model else ()
            return
    raise BadInput(f"{subject}: neither a file, nor an answer's id, nor an image of any version of {ITEMS}")


def _is(item: Item, wanted: str) -> bool:
    return wanted in (item.key, item.image) or (len(wanted) >= 8 and (item.image_sha256 or "").startswith(wanted))


def _of_item(version: Version, item: Item) -> Lines:
    yield "image", f"{item.key}, {item.status}{', ' + item.reason if item.reason else ''}, SHA-256 {item.image_sha256}"
    yield "document", _place(item)
    yield "data version", version.commit or "the working tree"
    labels = [row.label for row in version.rows(LABELS, Label) or [] if row.key == item.key]
    yield "label", labels[0] if labels else "none"
    for vote in version.rows(VOTES, Given) or []:
        if vote.key == item.key:
            yield "given by", f"{vote.annotator}: {vote.label}, {vote.source} {vote.place}, {vote.date or 'no date'}"
    sets = [row.set for row in version.rows(SPLIT, Assignment) or [] if row.key == item.key]
    yield "set", sets[0] if sets else "none"


def _place(item: Item) -> str:
    """The file that an item came out of, and where in it; counted from one, as people count."""
    parts = [("page {}", item.page), ("image {} of the page", item.index), ("row {}", item.row)]
    return ", ".join([f"data/raw/{item.source}", *(name.format(number + 1) for name, number in parts if number is not None)])


def _of_model(root: Path, content: bytes, subject: str) -> Lines:
    sha256 = hashlib.sha256(content).hexdigest()
    yield "model", f"{subject}, version {sha256[:12]}, SHA-256 {sha256}"
    for name, value in _lineage(content, subject).items():
        yield f"its {name}", f"SHA-256 {value}"
    yield "run", _run_of(root, sha256)
    named = (found.hashes[MODEL_FOLDER] for found in distinct(versions(root), MODEL_FOLDER) if found.read(MODEL) == content)
    commits = [commit for md5 in named for commit in commits_of(root, MODEL_FOLDER, md5)]
    yield "commit", f"{commits[0]}, the first of {len(commits)} whose dvc.lock names it" if commits else "none names it yet"


def _lineage(content: bytes, subject: str) -> dict[str, str]:
    try:
        return Manifest.model_validate_json(content).lineage
    except ValidationError as error:
        raise BadInput(f"{subject}: not a model that this version of Quire wrote: {error.errors()[0]['msg']}") from error


def _run_of(root: Path, sha256: str) -> str:
    uri = tracking_uri(root)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return f"none: {uri} does not exist"
    with mlflow_client(root) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = client.search_runs(experiments, f"tags.model_sha256 = '{sha256}'", order_by=["attributes.start_time ASC"])
    if not runs:
        return f"none in {uri}"
    return f"{runs[0].info.run_id}, commit {runs[0].data.tags.get('mlflow.source.git.commit', 'unknown')}, in {uri}"


def _answer(subject: str) -> dict[str, Any] | None:
    """The answer of that id in the service's log, below the folder that QUIRE_STORE names."""
    path = Path(os.environ.get("QUIRE_STORE", "feedback"), "answers.db")
    if not path.exists():
        return None
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT * FROM answers WHERE id = ?", (subject,)).fetchone()
    return dict(row) if row else None
