"""Turn annotation exports, and labels in tables, into labels: → data/labels.csv, data/votes.csv and reports/labels.json.

python -m stages.import_labels data/items.csv data/annotations data/table_labels.csv
    data/labels.csv data/votes.csv reports/labels.json
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from quire.command import Positive, run
from quire.items.annotations.classes import Classes, by_class, check_classes, renamed
from quire.items.annotations.exports import export_files, newest, read_export
from quire.items.annotations.findings import Found, Loss, check, losses, remarks, removed
from quire.items.annotations.matching import Ledger, matched
from quire.items.annotations.pseudonyms import Pseudonyms, pseudonyms_of
from quire.items.annotations.votes import Export, Vote, decide
from quire.items.removed import REMOVED
from quire.items.tables import Given, Item, Label, read_table, write_json, write_table

OWN = "the tables themselves"  # where labels come from that stand beside a text


def import_labels(
    items: Path, annotations: Path, table_labels: Path, labels: Path, votes: Path, report: Path,
    *,
    classes: Classes, mapping: dict[str, str], min_votes: Positive, pseudonyms: Pseudonyms,
    tolerated: dict[Loss, Annotated[float, Field(ge=0, le=1)]],
) -> None:  # fmt: skip
    """Count the votes of all exports; write a row for each labelled image, each vote, and by name what could not be used.

    `tolerated` says for each kind of loss how many there may be, as a share of the images kept.
    Raises BadInput for an unreadable export, for more than the tolerated and where no label remains.
    """
    check_classes(classes, mapping)
    exports = [export for export in [read_export(table_labels.read_bytes(), OWN)] if export.votes]
    files, superseded = newest(export_files(annotations, needed=not exports))
    exports += [read_export(path.read_bytes(), path.relative_to(annotations).as_posix()) for path in files]
    given = [vote for export in exports for vote in export.votes]
    known, unknown = by_class(renamed(given, mapping), classes)
    ledger = Ledger(read_table(items, Item), exports)
    of_item, orphans = matched(known, ledger)
    outcomes = {key: decide(own, min_votes) for key, own in of_item.items()}
    rows = [Label(key, each.label, each.votes, round(each.agreement, 4)) for key, each in outcomes.items() if each.label]
    lost = losses(outcomes, orphans, unknown)
    check(lost, tolerated, len(rows), len(outcomes), annotations)
    people = pseudonyms_of(known, pseudonyms)
    counts, said = Counter(row.label for row in rows), Counter(vote.label for vote in given)
    summary = {
        "labelled": len(rows),
        "classes": {label: counts[label] for label in (sorted(counts) if classes == "auto" else classes)},
        "renamed": {old: {"to": new, "votes": said[old]} for old, new in mapping.items()},
        "superseded": [path.relative_to(annotations).as_posix() for path in superseded],
    }
    write_table(labels, Label, rows)
    write_table(votes, Given, _given(of_item, people))
    _report(report, summary, exports, lost | remarks(outcomes, exports, ledger) | {REMOVED: removed(orphans)})


def _given(of_item: dict[str, list[Vote]], people: dict[str, str]) -> list[Given]:
    """Every vote on an image that is kept, in an order that does not hang on the pseudonyms."""
    rows = [
        Given(key, vote.label, people[vote.annotator], vote.source, vote.place, vote.date or None)
        for key, votes in of_item.items()
        for vote in votes
    ]
    return sorted(rows, key=lambda row: (row.key, row.date or "", row.source, row.place, row.label))


def _report(report: Path, summary: dict[str, Any], exports: list[Export], found: dict[str, Found]) -> None:
    warnings = [warning for export in exports for warning in export.warnings]
    for label, count in summary["classes"].items():
        if not count:
            warnings.append(f"no image has the label {label}: the model will not know it")
    for old, renaming in summary["renamed"].items():
        if not renaming["votes"]:
            warnings.append(f"import_labels.mapping renames {old}, which nobody said")
    counts = {kind: len(each) for kind, each in found.items()}
    report.parent.mkdir(parents=True, exist_ok=True)
    write_json(report, summary | {"warnings": warnings, "counts": counts} | found)
    for warning in warnings:
        print(f"import_labels: warning: {warning}")
    labelled = ", ".join(f"{count} {label}" for label, count in summary["classes"].items())
    others = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    print(f"import_labels: {summary['labelled']} labelled ({labelled}); {others or 'no loss'}")


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(import_labels)


if __name__ == "__main__":
    main()
