"""Label Studio's JSON export: a task for each image, with the annotations of each person."""

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, TypeAdapter

from quire.command import BadInput
from quire.items.annotations.votes import Export, Remark, Vote


class _Data(BaseModel):
    image: str | None = None
    file_name: str | None = None
    sha256: str | None = None


class _Person(BaseModel):
    id: int


class _Value(BaseModel):
    choices: list[str] = []


class _Region(BaseModel):
    type: str = ""
    value: _Value | None = None


class _Annotation(BaseModel):
    id: int = 0
    completed_by: int | _Person | None  # None: the person was deleted
    was_cancelled: bool = False
    updated_at: str = ""
    result: list[_Region]

    @property
    def annotator(self) -> str:
        if self.completed_by is None:
            return f"label-studio:deleted, annotation {self.id}"
        return f"label-studio:{self.completed_by.id if isinstance(self.completed_by, _Person) else self.completed_by}"

    @property
    def choices(self) -> list[str]:
        return [choice for region in self.result if region.type == "choices" and region.value for choice in region.value.choices]


class _Task(BaseModel):
    id: int
    data: _Data
    annotations: list[_Annotation]
    drafts: list[Any] = []

    @property
    def answers(self) -> list[_Annotation]:
        return [annotation for annotation in self.annotations if not annotation.was_cancelled]


def read_label_studio(content: list[Any], source: str) -> Export:
    """The votes of an export; skips, empty answers and drafts are remarks, predictions nothing.

    Raises pydantic's ValidationError, and BadInput for a task that names no image and for Label Studio's other exports.
    """
    if content and isinstance(content[0], dict) and "data" not in content[0] and "annotation_id" in content[0]:
        raise BadInput(f"{source}: Label Studio's JSON-MIN, which leaves out what was skipped: export as JSON instead")
    export, seen, names = Export(source), defaultdict(list), set()
    for task in TypeAdapter(list[_Task]).validate_python(content):
        name, other_name = _names(task, source)
        image: dict[str, Any] = {"name": name, "other_name": other_name, "sha256": task.data.sha256, "source": source}
        export.votes.extend(Vote(**image, **given) for given in _given(task))
        export.remarks.extend(Remark(**image, kind=kind) for kind in _remarks(task))
        names.add(name)
        if task.data.sha256:  # two documents may hold the same image, each to be labelled
            seen[task.data.sha256, name].append(str(task.id))
    doubles = [ids for ids in seen.values() if len(ids) > 1]
    export.warnings.extend(f"{source}: tasks {', '.join(ids)} are one image; their votes are merged" for ids in doubles)
    return replace(export, names=frozenset(names))


def _names(task: _Task, source: str) -> tuple[str, str]:
    """The image's name, and of an upload the name without the eight characters that Label Studio puts in front."""
    if task.data.file_name:
        return task.data.file_name, ""
    if not task.data.image:
        raise BadInput(f"{source}: task {task.id}: data has neither file_name nor image")
    path = _path(task.data.image)
    uploaded = re.search(r"/upload/(?:.*/)?[0-9a-f]{8}-([^/]+)$", path)
    return path, uploaded[1] if uploaded else ""


def _path(address: str) -> str:
    """The path of the image in what Label Studio writes for it.

    Addresses of storages are names of objects as they are (`s3://bucket/50%.png`). Local storage has the path in the query, the
    proxy of a storage the whole address, in base64.
    """
    if found := re.match(r"(?:s3|gs|azure-blob)://[^/]*/(.*)", address, re.DOTALL):
        return found[1]
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    if parts.path.endswith("/local-files/") and query.get("d"):
        return query["d"][0]
    if parts.path.endswith(("/resolve/", "/presign/")) and query.get("fileuri"):
        try:
            return _path(base64.b64decode(query["fileuri"][0].replace(" ", "+"), validate=True).decode())
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadInput(f"{address}: its fileuri is no base64: {error}") from error
    return unquote(parts.path)


def _given(task: _Task) -> Iterator[dict[str, str]]:
    """What each choice of each annotator's latest answer says; two choices are two votes, hence a conflict."""
    latest = {each.annotator: each for each in sorted(task.answers, key=lambda annotation: annotation.updated_at)}
    for annotator, answer in latest.items():
        at = {"date": answer.updated_at, "edited": answer.updated_at}
        yield from ({"annotator": annotator, "label": choice, "place": f"task {task.id}"} | at for choice in answer.choices)


def _remarks(task: _Task) -> Iterator[Literal["skipped", "empty", "in_progress"]]:
    if any(annotation.was_cancelled for annotation in task.annotations):
        yield "skipped"
    if any(not annotation.choices for annotation in task.answers):
        yield "empty"
    if task.drafts and not task.annotations:
        yield "in_progress"
