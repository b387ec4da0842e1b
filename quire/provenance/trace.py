"""Where an answer, an image or a model comes from: document and page, label and who gave it, set, run, commit.

python -m quire.provenance.trace <image's SHA-256, key or file | answer's id | model file>
"""

import argparse
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from quire.command import BadInput
from quire.provenance.lock import content_hash
from quire.provenance.revisions import Version, commits_of, distinct, versions
from quire.tracking import tracking_uri
from service.settings import Settings

ITEMS, LABELS, SPLIT = "data/items.csv", "data/labels.csv", "data/split.csv"
VOTES, MODEL = "reports/labels.json", "model/model.onnx"
Lines = Iterator[tuple[str, str]]  # a name and what it is


def trace(root: Path, subject: str) -> Lines:
    """The facts about a subject, in the order in which one thing led to the next. Raises BadInput for an unknown one."""
    path = Path(subject)
    if path.is_file() and path.suffix == ".onnx":
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
    for version in distinct(versions(root), MODEL):
        content = version.read(MODEL)
        if content and hashlib.sha256(content).hexdigest().startswith(model):
            yield from _of_model(root, content, MODEL)
            return
    yield "model", f"version {model}, neither here nor in a commit whose model lies in the cache or the remote"


def _of_image(root: Path, wanted: str, subject: str, *, with_model: bool) -> Lines:
    for version in distinct(versions(root), ITEMS):
        rows = [row for row in (version.rows(ITEMS) or []) if _is(row, wanted)]
        if rows:
            for row in rows:
                yield from _of_row(version, row)
            model = version.read(MODEL) if with_model else None
            if model:
                yield from _of_model(root, model, MODEL)
            return
    raise BadInput(f"{subject}: neither a file, nor an answer's id, nor an image of any version of {ITEMS}")


def _is(row: dict[str, str], wanted: str) -> bool:
    return wanted in (row["key"], row["image"]) or (len(wanted) >= 8 and row["image_sha256"].startswith(wanted))


def _of_row(version: Version, row: dict[str, str]) -> Lines:
    yield "image", f"{row['key']}, {row['status']}{', ' + row['reason'] if row['reason'] else ''}, SHA-256 {row['image_sha256']}"
    yield "document", f"data/raw/{row['source']}, page {int(row['page']) + 1}, image {int(row['index']) + 1} of the page"
    yield "data version", version.commit or "the working tree"
    labels = [label for label in (version.rows(LABELS) or []) if label["key"] == row["key"]]
    votes = json.loads(version.read(VOTES) or b"{}").get("votes", {}).get(row["key"], [])
    yield "label", labels[0]["label"] if labels else "none"
    for vote in votes:
        yield "given by", f"{vote['annotator']}: {vote['label']}, {vote['source']} {vote['place']}, {vote['date'] or 'no date'}"
    sets = [assigned["set"] for assigned in (version.rows(SPLIT) or []) if assigned["key"] == row["key"]]
    yield "set", sets[0] if sets else "none"


def _of_model(root: Path, content: bytes, subject: str) -> Lines:
    sha256 = hashlib.sha256(content).hexdigest()
    yield "model", f"{subject}, version {sha256[:12]}, SHA-256 {sha256}"
    for name, value in _lineage(content, subject).items():
        yield f"its {name}", f"SHA-256 {value}"
    yield "run", _run_of(root, sha256)
    commits = commits_of(root, MODEL, content_hash(content))
    yield "commit", f"{commits[0]}, the first of {len(commits)} whose dvc.lock names it" if commits else "none names it yet"


def _lineage(content: bytes, subject: str) -> dict[str, str]:
    try:
        metadata = {entry.key: entry.value for entry in onnx.load_model_from_string(content).metadata_props}
        return dict(json.loads(metadata["lineage"]))
    except (DecodeError, KeyError) as error:
        raise BadInput(f"{subject}: not a model that Quire wrote: {error!r}") from error


def _run_of(root: Path, sha256: str) -> str:
    uri = tracking_uri(root)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return f"none: {uri} does not exist"
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds to import

    client = MlflowClient(uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.model_sha256 = '{sha256}'", order_by=["attributes.start_time ASC"])
    if not runs:
        return f"none in {uri}"
    return f"{runs[0].info.run_id}, commit {runs[0].data.tags.get('mlflow.source.git.commit', 'unknown')}, in {uri}"


def _answer(subject: str) -> dict[str, Any] | None:
    path = Settings().store / "answers.db"
    if not path.exists():
        return None
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT * FROM answers WHERE id = ?", (subject,)).fetchone()
    return dict(row) if row else None


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        for name, fact in trace(Path.cwd(), parser.parse_args().subject):
            print(f"{name:14} {fact}")
    except (BadInput, OSError) as error:
        sys.exit(f"trace: error: {error}")


if __name__ == "__main__":
    main()
