"""Read the votes out of an annotation export: Ecotag's JSON, Label Studio's JSON, or a plain CSV.

The format is recognised by content. What is no vote (a skip, an empty answer, a draft) becomes a remark.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from stages.command import BadInput
from stages.naming import key_of


@dataclass(frozen=True)
class Vote:
    """One annotator's label for one image. `source` is the export's file, `place` where in it."""

    key: str
    sha256: str | None
    annotator: str
    label: str
    source: str
    place: str


@dataclass
class Export:
    """What a file of annotations says: votes, and remarks on what is none, as (kind, name) pairs."""

    votes: list[Vote] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_export(path: Path, source: str) -> Export:
    """Read one file of any known format. Raises BadInput that names file, place and value."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{source}: not UTF-8 text: {error}") from error
    try:
        if not text.lstrip().startswith(("{", "[")):
            return _csv(text, source)
        content = json.loads(text)
        return _label_studio(content, source) if isinstance(content, list) else _ecotag(content, source)
    except json.JSONDecodeError as error:
        raise BadInput(f"{source}: not JSON: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
        value = "" if problem["type"] == "missing" else f", not {json.dumps(problem['input'], default=str)[:80]}"
        raise BadInput(f"{source}: {place}: {problem['msg']}{value}") from error


class _EcotagLabel(BaseModel):
    label: str


class _EcotagRow(BaseModel):
    nameIdentifier: str | int
    fileName: str
    annotation: _EcotagLabel


class _Ecotag(BaseModel):
    projectType: Literal["ImageClassifier"]
    numberAnnotationsDone: int | None = None
    annotations: list[_EcotagRow]


def _ecotag(content: dict[str, Any], source: str) -> Export:
    # An export that was archived on delete has its outer keys in PascalCase.
    export = _Ecotag.model_validate({key[:1].lower() + key[1:]: value for key, value in content.items()})
    votes = [
        Vote(key_of(row.fileName), None, f"ecotag:{row.nameIdentifier}", row.annotation.label, source, f"annotations[{number}]")
        for number, row in enumerate(export.annotations)
    ]
    warnings = []
    if export.numberAnnotationsDone not in (None, len(votes)):
        warnings.append(f"{source}: numberAnnotationsDone is {export.numberAnnotationsDone}, its rows are {len(votes)}")
    return Export(votes, [], warnings)


class _LabelStudioData(BaseModel):
    image: str | None = None
    file_name: str | None = None
    sha256: str | None = None


class _LabelStudioAnnotation(BaseModel):
    completed_by: int | dict[str, Any]
    was_cancelled: bool = False
    updated_at: str = ""
    result: list[dict[str, Any]]


class _LabelStudioTask(BaseModel):
    id: int
    data: _LabelStudioData
    annotations: list[_LabelStudioAnnotation]
    drafts: list[Any] = []


def _label_studio(content: list[Any], source: str) -> Export:
    tasks = TypeAdapter(list[_LabelStudioTask]).validate_python(content)
    export, seen = Export(), defaultdict(list)
    for task in tasks:
        name = task.data.file_name or _uploaded_name(task.data.image, task.id, source)
        if task.data.sha256:
            seen[task.data.sha256].append(task.id)
        export.votes += _task_votes(task, name, source)
        export.remarks += [(kind, key_of(name)) for kind in _task_remarks(task)]
    doubles = [ids for ids in seen.values() if len(ids) > 1]
    export.warnings += [f"{source}: tasks {', '.join(map(str, ids))} are one image; their votes are merged" for ids in doubles]
    return export


def _uploaded_name(image: str | None, task: int, source: str) -> str:
    if not image:
        raise BadInput(f"{source}: task {task}: data has neither file_name nor image")
    return re.sub(r"^[0-9a-f]{8}-", "", image.rsplit("/", 1)[-1])  # what Label Studio puts in front on upload


def _task_votes(task: _LabelStudioTask, name: str, source: str) -> Iterator[Vote]:
    """A vote for each choice of each annotator's latest answer; two choices are two votes, hence a conflict."""
    latest: dict[str, _LabelStudioAnnotation] = {}
    for annotation in sorted(_answers(task), key=lambda annotation: annotation.updated_at):
        latest[_annotator(annotation)] = annotation
    for annotator, annotation in latest.items():
        for choice in _choices(annotation):
            yield Vote(key_of(name), task.data.sha256, annotator, choice, source, f"task {task.id}")


def _task_remarks(task: _LabelStudioTask) -> Iterator[str]:
    if any(annotation.was_cancelled for annotation in task.annotations):
        yield "skipped"
    if any(not _choices(annotation) for annotation in _answers(task)):
        yield "empty"
    if task.drafts and not task.annotations:
        yield "in_progress"


def _answers(task: _LabelStudioTask) -> list[_LabelStudioAnnotation]:
    return [annotation for annotation in task.annotations if not annotation.was_cancelled]


def _annotator(annotation: _LabelStudioAnnotation) -> str:
    person = annotation.completed_by
    return f"label-studio:{person.get('id') if isinstance(person, dict) else person}"


def _choices(annotation: _LabelStudioAnnotation) -> list[str]:
    regions = [region for region in annotation.result if region.get("type") == "choices"]
    return [str(choice) for region in regions for choice in region.get("value", {}).get("choices", [])]


def _csv(text: str, source: str) -> Export:
    """A header with `label`, `key` or `file`, and perhaps `annotator`; commas, semicolons or tabs."""
    lines = text.splitlines()
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.DictReader(lines, delimiter=delimiter)
    columns = {(name or "").strip().lower() for name in reader.fieldnames or []}
    if "label" not in columns or not columns & {"key", "file"}:
        raise BadInput(f"{source}: no Ecotag JSON, no Label Studio JSON, and no CSV whose header names label and key or file")
    export = Export()
    for row in reader:
        cells = {(name or "").strip().lower(): (cell or "").strip() for name, cell in row.items() if isinstance(cell, str)}
        name, label, place = cells.get("key") or cells.get("file"), cells.get("label"), f"line {reader.line_num}"
        if not name:
            raise BadInput(f"{source}: {place}: neither key nor file")
        if label:
            annotator = cells.get("annotator") or "csv"
            export.votes.append(Vote(key_of(name), None, f"csv:{annotator}", label, source, place))
        else:
            export.remarks.append(("empty", key_of(name)))
    return export
