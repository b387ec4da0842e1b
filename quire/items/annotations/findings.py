"""What could not be used of the annotations, by name, and how much of it is tolerated."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from quire.command import BadInput
from quire.items.annotations.matching import Ledger, Match
from quire.items.annotations.votes import Export, Outcome, Vote
from quire.items.removed import REMOVED
from quire.items.tables import Item

Loss = Literal["unlabelled", "incomplete", "conflict", "tie", "orphan", "unknown_label"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
Found = list[dict[str, Any]]
SHOWN = 5  # names in a message


def losses(outcomes: Mapping[str, Outcome], orphans: Iterable[tuple[Vote, Match]], unknown: Iterable[Vote]) -> dict[str, Found]:
    """Each kind of loss: images by key, votes by the name that the export has. No annotator is named.

    A vote on what was removed is none.
    """
    undecided = {kind: _with_counts(outcomes, kind) for kind in ("incomplete", "conflict", "tie")}
    strays = [
        _named(vote) | {"image": match.reason, "candidates": list(match.candidates)}
        for vote, match in orphans
        if match.reason != REMOVED
    ]
    return {
        "unlabelled": [{"key": key} for key, outcome in outcomes.items() if outcome.kind == "unlabelled"],
        **undecided,
        "orphan": strays,
        "unknown_label": [_named(vote) for vote in unknown],
    }


def remarks(outcomes: Mapping[str, Outcome], exports: Iterable[Export], ledger: Ledger) -> dict[str, Found]:
    """What is no loss: dissent, feedback that differs from the label, equal images under two labels, and the exports' remarks."""
    said = {(remark.kind, ledger.find(remark).key or remark.name) for export in exports for remark in export.remarks}
    dissent = {key: outcome for key, outcome in outcomes.items() if outcome.label and outcome.agreement < 1}
    return {
        "dissent": _with_counts(dissent, "labelled"),
        "feedback": [
            {"key": key, "label": outcome.label, "feedback": outcome.differing}
            for key, outcome in outcomes.items()
            if outcome.differing
        ],
        "duplicate": _duplicates(outcomes, ledger.kept),
        **{kind: [{"key": key} for found, key in sorted(said) if found == kind] for kind in ("skipped", "empty", "in_progress")},
    }


def removed(orphans: Iterable[tuple[Vote, Match]]) -> Found:
    """The items that were removed and are voted on all the same, by the names that the exports have."""
    return [{"key": name} for name in sorted({vote.name for vote, match in orphans if match.reason == REMOVED})]


def check(found: Mapping[str, Found], tolerated: Mapping[Loss, float], labelled: int, images: int, place: object) -> None:
    """Raise BadInput, with names, for more of a loss than the share of the images that is tolerated, and where no label remains."""
    if missing := sorted(set(LOSSES) - set(tolerated)):
        raise BadInput(f"params.yaml: import_labels.tolerated: {missing[0]} is missing")
    for kind, share in tolerated.items():
        if len(found[kind]) > share * images:
            limit = f"tolerated are {share * images:.0f} (import_labels.tolerated.{kind}: {share:g} of {images} images)"
            raise BadInput(f"{place}: {len(found[kind])} {kind}: {_listed(found[kind])}; {limit}")
    if not labelled:
        named = ", ".join(f"{len(each)} {kind} ({_listed(each)})" for kind, each in found.items() if each)
        raise BadInput(f"{place}: no label for any of the {images} images; {named}")


def _listed(found: Found) -> str:
    """The first names, and how many more there are."""
    names = ["{name} ({label}, {source} {place})".format_map(each) if "place" in each else each["key"] for each in found[:SHOWN]]
    return ", ".join(names) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _with_counts(outcomes: Mapping[str, Outcome], kind: str) -> Found:
    return [{"key": key, "votes": outcome.counts} for key, outcome in outcomes.items() if outcome.kind == kind]


def _named(vote: Vote) -> dict[str, Any]:
    return {"name": vote.name, "label": vote.label, "source": vote.source, "place": vote.place}


def _duplicates(outcomes: Mapping[str, Outcome], kept: Mapping[str, Item]) -> Found:
    """Images of equal content whose labels differ: one of them is wrong."""
    of_content: dict[str | None, dict[str, str]] = defaultdict(dict)
    for key, outcome in outcomes.items():
        if outcome.label and kept[key].image_sha256:
            of_content[kept[key].image_sha256][key] = outcome.label
    return [{"labels": same} for same in of_content.values() if len(set(same.values())) > 1]
