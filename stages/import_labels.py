"""Turn annotation exports into labels: data/annotations → data/labels.csv and reports/labels.json.

python -m stages.import_labels data/items.csv data/annotations data/labels.csv reports/labels.json
"""

import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from quire.command import BadInput, Positive, run
from quire.items.annotations.formats import Export, Vote, read_export
from quire.items.tables import Item, Label, read_table, write_table

Share = Annotated[float, Field(ge=0, le=1)]
Findings = dict[str, list[dict[str, Any]]]
TOLERABLE = ("unlabelled", "incomplete", "conflict", "tie", "orphan", "unknown_label")
PULLED = re.compile(r"(?P<project>.+)-(?P<time>\d{8}T\d{6}Z)-[0-9a-f]{8}\.json")  # as labelling/pull.py names an export
REMARKS = ("dissent", "duplicate", "skipped", "empty", "in_progress")  # what is said of images that is no loss


def import_labels(
    items: Path,
    annotations: Path,
    labels: Path,
    report: Path,
    *,
    classes: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)],
    min_votes: Positive,
    tolerated: dict[str, Share],
) -> None:
    """Count the votes of all exports; write one row a labelled image and, by name, what could not be used.

    `tolerated` says for each kind of loss how many there may be, as a share of the images kept.
    Raises BadInput for an unreadable export, for more than the tolerated and where no label remains.
    """
    if set(tolerated) != set(TOLERABLE):
        odd = sorted(set(tolerated) ^ set(TOLERABLE))[0]
        raise BadInput(f"params.yaml: import_labels.tolerated: {odd} is unknown or missing; known: {', '.join(TOLERABLE)}")
    if len(set(classes)) < len(classes):
        raise BadInput(f"params.yaml: import_labels.classes: {classes} names a class twice")
    ledger = {row.key: row for row in read_table(items, Item) if row.key}
    kept = {key: row for key, row in ledger.items() if row.status == "kept"}
    files, superseded = newest(_files(annotations))
    exports = [read_export(path, path.relative_to(annotations).as_posix()) for path in files]
    findings: Findings = {kind: [] for kind in (*TOLERABLE, *REMARKS)}
    votes = _usable_votes(_matched(exports, kept), kept, classes, findings)
    for orphan in findings["orphan"]:
        orphan["image"] = ledger[orphan["key"]].status if orphan["key"] in ledger else "absent"
    rows = [row for key in sorted(kept) if (row := _decide(key, votes.get(key, []), min_votes, findings))]
    _compare_duplicates(rows, kept, findings)
    remarks = {(kind, key if key in kept else other) for export in exports for kind, key, other in export.remarks}
    for kind, key in sorted(remarks):
        findings[kind].append({"key": key})
    _check(findings, tolerated, kept, rows, annotations)
    warnings = [warning for export in exports for warning in export.warnings]
    warnings += [
        f"no image has the label {label}: the model will not know it" for label in classes if label not in {r.label for r in rows}
    ]
    old = [path.relative_to(annotations).as_posix() for path in superseded]
    _write(rows, labels, findings, {"warnings": warnings, "superseded": old}, report, classes, votes)


def _files(annotations: Path) -> list[Path]:
    found = sorted(path for path in annotations.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not found:
        raise BadInput(f"{annotations}: no export in it; `make data ANNOTATIONS=<file or folder>` brings yours")
    return found


def newest(files: list[Path]) -> tuple[list[Path], list[Path]]:
    """What to read, and the pulled exports that a later one of the same project replaces.

    An export says everything that its project holds, and Ecotag keeps the date of an answer that was changed: only
    when it was pulled says which of two is right. Other files all count.
    """
    latest: dict[Path, Path] = {}
    for path in sorted(files, key=lambda path: found["time"] if (found := PULLED.fullmatch(path.name)) else ""):
        found = PULLED.fullmatch(path.name)
        latest[path.with_name(found["project"]) if found else path] = path
    return sorted(latest.values()), sorted(set(files) - set(latest.values()))


def _matched(exports: list[Export], kept: dict[str, Item]) -> list[Vote]:
    """All votes, moved to the image of the content that they name, or of the second reading of its file's name."""
    by_hash: dict[str | None, list[str]] = defaultdict(list)
    for key, item in kept.items():
        by_hash[item.image_sha256].append(key)
    votes = []
    for vote in (vote for export in exports for vote in export.votes):
        same_content = by_hash.get(vote.sha256, []) if vote.sha256 else []
        known = [key for key in (vote.key, vote.other_key) if key in (same_content or kept)]
        key = known[0] if known else min(same_content, default=vote.other_key or vote.key)
        votes.append(replace(vote, key=key))
    return votes


def _usable_votes(votes: list[Vote], kept: dict[str, Item], classes: list[str], findings: Findings) -> dict[str, list[Vote]]:
    usable = defaultdict(list)
    for vote in sorted(votes, key=lambda vote: (vote.key, vote.annotator, vote.label, vote.source, vote.place)):
        if vote.label not in classes:
            findings["unknown_label"].append(_named(vote))
        elif vote.key not in kept:
            findings["orphan"].append(_named(vote))
        else:
            usable[vote.key].append(vote)
    return usable


def _named(vote: Vote) -> dict[str, Any]:
    return {"key": vote.key, "label": vote.label, "annotator": vote.annotator, "source": vote.source, "place": vote.place}


def _decide(key: str, votes: list[Vote], min_votes: int, findings: Findings) -> Label | None:
    """The label of one image: each annotator has one vote, and more than half of the votes decide."""
    opinions: dict[str, set[str]] = defaultdict(set)
    latest = {
        annotator: max(vote.edited for vote in votes if vote.annotator == annotator) for annotator in {v.annotator for v in votes}
    }
    for vote in votes:
        if vote.edited == latest[vote.annotator]:
            opinions[vote.annotator].add(vote.label)
    undecided = {annotator: sorted(labels) for annotator, labels in opinions.items() if len(labels) > 1}
    counts = Counter(label for labels in opinions.values() for label in labels)
    entry = {"key": key, "votes": dict(sorted(counts.items()))}
    if not votes:
        findings["unlabelled"].append({"key": key})
    elif undecided:
        findings["conflict"].append({"key": key, "annotators": undecided})
    elif len(opinions) < min_votes:
        findings["incomplete"].append(entry)
    elif max(counts.values()) * 2 <= len(opinions):
        findings["tie"].append(entry)
    else:
        label, count = counts.most_common(1)[0]
        if count < len(opinions):
            findings["dissent"].append(entry)
        return Label(key, label, len(opinions), round(count / len(opinions), 4))
    return None


def _compare_duplicates(rows: list[Label], kept: dict[str, Item], findings: Findings) -> None:
    """Name images of equal content whose labels differ: one of them is wrong."""
    labels: dict[str | None, dict[str, str]] = defaultdict(dict)
    for row in rows:
        labels[kept[row.key].image_sha256][row.key] = row.label
    findings["duplicate"] += [{"labels": same} for same in labels.values() if len(set(same.values())) > 1]


def _check(findings: Findings, tolerated: dict[str, float], kept: dict[str, Item], rows: list[Label], annotations: Path) -> None:
    for kind, share in tolerated.items():
        found = findings[kind]
        if len(found) > share * len(kept):
            limit = f"tolerated are {share * len(kept):.0f} (import_labels.tolerated.{kind}: {share:g} of {len(kept)} images)"
            raise BadInput(f"{annotations}: {len(found)} {kind}: {_listed(found)}; {limit}")
    if not rows:
        losses = ", ".join(f"{len(found)} {kind} ({_listed(found)})" for kind, found in findings.items() if found)
        raise BadInput(f"{annotations}: no label for any of the {len(kept)} images; {losses}")


def _listed(found: list[dict[str, Any]]) -> str:
    names = ["{key} ({label}, {source} {place})".format_map(each) if "place" in each else each["key"] for each in found]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _write(
    rows: list[Label],
    labels: Path,
    findings: Findings,
    remarks: dict[str, list[str]],
    report: Path,
    classes: list[str],
    votes: dict[str, list[Vote]],
) -> None:
    counts = Counter(row.label for row in rows)
    summary = {
        "labelled": len(rows),
        "classes": {label: counts[label] for label in classes},
        "counts": {kind: len(found) for kind, found in findings.items()},
        **remarks,
        **findings,
        "votes": {key: [_named(vote) | {"date": vote.date} for vote in votes[key]] for key in sorted(votes)},
    }
    write_table(labels, Label, rows)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for warning in remarks["warnings"]:
        print(f"import_labels: warning: {warning}")
    losses = ", ".join(f"{len(found)} {kind}" for kind, found in findings.items() if found)
    print(
        f"import_labels: {len(rows)} labelled ({', '.join(f'{n} {label}' for label, n in counts.items())}); {losses or 'no loss'}"
    )


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(import_labels)


if __name__ == "__main__":
    main()
