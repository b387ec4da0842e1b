"""A table of labels, as CSV: one's own, a spreadsheet's, or the service's feedback."""

import csv
import io

from quire.command import BadInput
from quire.items.annotations.votes import Export, Remark, Vote


def read_table_of_labels(text: str, source: str) -> Export:
    """The votes of a CSV whose header has `label`, `key`, `file` or `filename`, perhaps `annotator`, `sha256` and `date`.

    Commas, semicolons or tabs stand between the cells; Excel's first line `sep=;` may say which. A row without a label is a
    remark. Raises csv.Error, and BadInput for another header and for a row that names no image.
    """
    first, _, rest = text.partition("\n")
    text = rest if first.strip().lower().startswith("sep=") else text
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = {_name(column) for column in reader.fieldnames or []}
    if {"annotation_id", "lead_time"} <= columns:
        raise BadInput(f"{source}: Label Studio's CSV, which leaves out what was skipped: export as JSON instead")
    if "label" not in columns or not columns & {"key", "file"}:
        raise BadInput(f"{source}: no Ecotag JSON, no Label Studio JSON, and no CSV whose header names label and key or file")
    export = Export(source)
    for row in reader:
        cells = {_name(column): cell.strip() for column, cell in row.items() if isinstance(cell, str)}
        if any(cells.values()):  # a spreadsheet has empty rows
            _add(export, cells, f"line {reader.line_num}")
    return export


def _name(column: str | None) -> str:
    name = (column or "").strip().lower()
    return "file" if name == "filename" else name


def _add(export: Export, cells: dict[str, str], place: str) -> None:
    name, label = cells.get("key") or cells.get("file"), cells.get("label")
    if not name:
        raise BadInput(f"{export.source}: {place}: neither key nor file")
    if not label:
        export.remarks.append(Remark(kind="empty", name=name, source=export.source))
        return
    annotator = f"csv:{cells.get('annotator') or 'csv'}"
    sha256, date = cells.get("sha256") or None, cells.get("date", "")
    export.votes.append(
        Vote(name=name, annotator=annotator, label=label, source=export.source, place=place, sha256=sha256, date=date)
    )
