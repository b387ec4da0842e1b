"""Read the votes out of an annotation export: Ecotag's JSON, Label Studio's JSON, or a plain CSV.

The format is recognised by content. What is no vote (a skip, an empty answer, a draft) becomes a remark.
"""

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from quire.command import BadInput
from quire.items.keys import key_of, unportable


@dataclass(frozen=True)
class Vote:
    """One annotator's label for one image. `source` is the export's file, `place` where in it.

    `edited` is when the annotator last said something of the image, where the tool says so: then the latest counts. `date` is when
    it was given, as the tool writes it; `other_key` a second reading of the file's name.
    """

    key: str
    sha256: str | None
    annotator: str
    label: str
    source: str
    place: str
    date: str = ""
    edited: str = ""
    other_key: str = ""


@dataclass
class Export:
    """What a file of annotations says: votes, and remarks on what is none: kind, and two readings of the name."""

    votes: list[Vote] = field(default_factory=list)
    remarks: list[tuple[str, str, str]] = field(default_factory=list)
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
    except csv.Error as error:
        raise BadInput(f"{source}: not CSV: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
        value = "" if problem["type"] == "missing" else f", not {json.dumps(problem['input'], default=str)[:80]}"
        raise BadInput(f"{source}: {place}: {problem['msg']}{value}") from error
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:  # no JSON, a number of thousands of digits, nested too deep
        raise BadInput(f"{source}: not JSON: {error}") from error


class _EcotagLabel(BaseModel):
    label: str


class _EcotagRow(BaseModel):
    nameIdentifier: str | int
    createDate: int | None = None
    fileName: str
    annotation: _EcotagLabel


class _Ecotag(BaseModel):
    projectType: Literal["ImageClassifier"]
    numberAnnotationsDone: int | None = None
    annotations: list[_EcotagRow]


def _ecotag(content: dict[str, Any], source: str) -> Export:
    # An export that was archived on delete has its outer keys in PascalCase.
    export = _Ecotag.model_validate({key[:1].lower() + key[1:]: value for key, value in content.items()})
    # A person who is asked again in a later project has changed their mind; twice in one project is a conflict. An edit
    # changes no date, so this cannot tell two exports of one project apart: import_labels does.
    last: dict[tuple[str, str], str] = defaultdict(str)
    for row in export.annotations:
        last[str(row.nameIdentifier), row.fileName] = max(last[str(row.nameIdentifier), row.fileName], _date(row.createDate))
    votes = [
        Vote(
            key=key_of(row.fileName),
            sha256=None,
            annotator=f"ecotag:{row.nameIdentifier}",
            label=row.annotation.label,
            source=source,
            place=f"annotations[{number}]",
            date=_date(row.createDate),
            edited=last[str(row.nameIdentifier), row.fileName],
            other_key=key_of(unportable(row.fileName)),
        )
        for number, row in enumerate(export.annotations)
    ]
    warnings = []
    if export.numberAnnotationsDone not in (None, len(votes)):
        warnings.append(f"{source}: numberAnnotationsDone is {export.numberAnnotationsDone}, its rows are {len(votes)}")
    return Export(votes, [], warnings)


def _date(ticks: int | None) -> str:
    """.NET's ticks, 100 ns since the year 1, in the server's own time without a zone."""
    try:
        return (datetime(1, 1, 1) + timedelta(microseconds=(ticks or 0) // 10)).isoformat() if ticks else ""
    except OverflowError as error:
        raise BadInput(f"createDate {ticks} is no date") from error


class _LabelStudioData(BaseModel):
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


class _LabelStudioAnnotation(BaseModel):
    completed_by: int | _Person
    was_cancelled: bool = False
    updated_at: str = ""
    result: list[_Region]


class _LabelStudioTask(BaseModel):
    id: int
    data: _LabelStudioData
    annotations: list[_LabelStudioAnnotation]
    drafts: list[Any] = []


def _label_studio(content: list[Any], source: str) -> Export:
    tasks = TypeAdapter(list[_LabelStudioTask]).validate_python(content)
    export, seen = Export(), defaultdict(list)
    for task in tasks:
        name = task.data.file_name or _base_name(task.data.image, task.id, source)
        if task.data.sha256:  # two documents may hold the same image, each to be labelled
            seen[task.data.sha256, name].append(task.id)
        export.votes += _task_votes(task, name, source)
        export.remarks += [(kind, key_of(name), _uploaded(name)) for kind in _task_remarks(task)]
    doubles = [ids for ids in seen.values() if len(ids) > 1]
    export.warnings += [f"{source}: tasks {', '.join(map(str, ids))} are one image; their votes are merged" for ids in doubles]
    return export


def _base_name(image: str | None, task: int, source: str) -> str:
    if not image:
        raise BadInput(f"{source}: task {task}: data has neither file_name nor image")
    return unquote(urlsplit(image).path.rsplit("/", 1)[-1])


def _uploaded(name: str) -> str:
    """The key without what Label Studio puts in front of a file's name on upload."""
    return re.sub(r"^[0-9a-f]{8}-", "", key_of(name))


def _task_votes(task: _LabelStudioTask, name: str, source: str) -> Iterator[Vote]:
    """A vote for each choice of each annotator's latest answer; two choices are two votes, hence a conflict."""
    latest: dict[str, _LabelStudioAnnotation] = {}
    for annotation in sorted(_answers(task), key=lambda annotation: annotation.updated_at):
        latest[_annotator(annotation)] = annotation
    for annotator, annotation in latest.items():
        for choice in _choices(annotation):
            yield Vote(
                key=key_of(name),
                sha256=task.data.sha256,
                annotator=annotator,
                label=choice,
                source=source,
                place=f"task {task.id}",
                date=annotation.updated_at,
                edited=annotation.updated_at,
                other_key=_uploaded(name),
            )


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
    return f"label-studio:{person.id if isinstance(person, _Person) else person}"


def _choices(annotation: _LabelStudioAnnotation) -> list[str]:
    return [choice for region in annotation.result if region.type == "choices" and region.value for choice in region.value.choices]


def _csv(text: str, source: str) -> Export:
    """A header with `label`, `key` or `file`, perhaps `annotator` and `sha256`; commas, semicolons or tabs."""
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = {(name or "").strip().lower() for name in reader.fieldnames or []}
    if "label" not in columns or not columns & {"key", "file"}:
        raise BadInput(f"{source}: no Ecotag JSON, no Label Studio JSON, and no CSV whose header names label and key or file")
    export = Export()
    for row in reader:
        cells = {(name or "").strip().lower(): (cell or "").strip() for name, cell in row.items() if isinstance(cell, str)}
        if not any(cells.values()):  # a spreadsheet's empty rows
            continue
        name, label, place = cells.get("key") or cells.get("file"), cells.get("label"), f"line {reader.line_num}"
        if not name:
            raise BadInput(f"{source}: {place}: neither key nor file")
        if label:
            annotator = cells.get("annotator") or "csv"
            votes = Vote(key_of(name), cells.get("sha256") or None, f"csv:{annotator}", label, source, place, cells.get("date", ""))
            export.votes.append(votes)
        else:
            export.remarks.append(("empty", key_of(name), key_of(name)))
    return export
