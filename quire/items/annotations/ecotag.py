"""Ecotag's export: a row for each answer, in no order."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel

from quire.command import BadInput
from quire.items.annotations.votes import Export, Vote


class _Annotation(BaseModel):
    label: str


class _Row(BaseModel):
    nameIdentifier: str | int
    createDate: int | None = None
    fileName: str
    annotation: _Annotation


class _Export(BaseModel):
    projectType: Literal["ImageClassifier"]
    numberAnnotationsDone: int | None = None
    annotations: list[_Row]


def read_ecotag(content: dict[str, Any], source: str) -> Export:
    """The votes of an export. Raises pydantic's ValidationError, and BadInput for a date that is none.

    A person who is asked again in a later project has changed their mind; twice in one project is a conflict. An edit changes
    no date, so this cannot tell two exports of one project apart: `newest` does.
    """
    # An export that was archived on delete has its outer keys in PascalCase.
    rows = _Export.model_validate({key[:1].lower() + key[1:]: value for key, value in content.items()})
    dates = [_date(row.createDate) for row in rows.annotations]
    last: dict[tuple[str, str], str] = defaultdict(str)
    for row, date in zip(rows.annotations, dates, strict=True):
        asked = str(row.nameIdentifier), row.fileName
        last[asked] = max(last[asked], date)
    votes = [
        Vote(
            name=row.fileName,
            annotator=f"ecotag:{row.nameIdentifier}",
            label=row.annotation.label,
            source=source,
            place=f"annotations[{number}]",
            date=date,
            edited=last[str(row.nameIdentifier), row.fileName],
        )
        for number, (row, date) in enumerate(zip(rows.annotations, dates, strict=True))
    ]
    warnings = []
    if rows.numberAnnotationsDone not in (None, len(votes)):
        warnings.append(f"{source}: numberAnnotationsDone is {rows.numberAnnotationsDone}, its rows are {len(votes)}")
    return Export(source, votes, warnings=warnings)


def _date(ticks: int | None) -> str:
    """.NET's ticks, 100 ns since the year 1, in the server's own time without a zone."""
    try:
        return (datetime(1, 1, 1) + timedelta(microseconds=ticks // 10)).isoformat() if ticks else ""
    except OverflowError as error:
        raise BadInput(f"createDate {ticks} is no date") from error
