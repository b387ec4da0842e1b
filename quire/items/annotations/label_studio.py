"""Label Studio's JSON export: a task for each image, with the annotations of each person."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

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
    completed_by: int | _Person
    was_cancelled: bool = False
    updated_at: str = ""
    result: list[_Region]

    @property
    def annotator(self) -> str:
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

    Raises pydantic's ValidationError, and BadInput for a task that names no image.
    """
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
    path = unquote(urlsplit(task.data.image).path)
    uploaded = re.search(r"/upload/(?:.*/)?[0-9a-f]{8}-([^/]+)$", path)
    return path, uploaded[1] if uploaded else ""


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
