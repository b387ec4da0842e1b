"""Votes on images, and what they come to."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One annotator's label for one image.

    `name` is the image's in the export and `other_name` a second reading of it; `source` is the export's file, `place` where in it.
    `date` is when the label was given, as the tool writes it. `edited` is when the annotator last said something of the image,
    where the tool says so: then the latest counts.
    """

    name: str
    annotator: str
    label: str
    source: str
    place: str
    sha256: str | None = None
    date: str = ""
    edited: str = ""
    other_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Something that an export says of an image and that is no vote: that it was skipped, that an answer is empty."""

    kind: Literal["skipped", "empty", "in_progress"]
    name: str
    source: str
    sha256: str | None = None
    other_name: str = ""


@dataclass(frozen=True)
class Export:
    """What a file of annotations says. `names` are the images that it asks about, answered or not, where it says so."""

    source: str
    votes: list[Vote] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """What the votes on one image come to: a label, or why there is none.

    `voters` are the annotators who said something, `counts` how many of them said each label, by label.
    """

    kind: Literal["labelled", "unlabelled", "conflict", "incomplete", "tie"]
    voters: int
    counts: dict[str, int]
    label: str | None = None

    @property
    def agreement(self) -> float:
        """The share of the voters that the label got; 0 without a label."""
        return self.counts[self.label] / self.voters if self.label is not None else 0.0


def opinions(votes: Iterable[Vote]) -> dict[str, set[str]]:
    """What each annotator says of one image: the labels of the latest answer, more than one where two bear its date."""
    given = defaultdict(list)
    for vote in votes:
        given[vote.annotator].append(vote)
    latest = {annotator: max(vote.edited for vote in own) for annotator, own in given.items()}
    return {annotator: {vote.label for vote in own if vote.edited == latest[annotator]} for annotator, own in given.items()}


def decide(votes: Iterable[Vote], min_votes: int) -> Outcome:
    """The outcome for one image: each annotator has one vote, and more than half of the votes decide.

    An annotator with two labels is a conflict, fewer than `min_votes` annotators are incomplete, and half of them are a tie.
    """
    said = opinions(votes)
    counts = Counter(label for labels in said.values() for label in labels)
    label = max(counts, key=lambda name: counts[name], default=None)
    kind: Literal["labelled", "unlabelled", "conflict", "incomplete", "tie"] = "labelled"
    if label is None:
        kind = "unlabelled"
    elif counts.total() > len(said):
        kind = "conflict"
    elif len(said) < min_votes:
        kind = "incomplete"
    elif 2 * counts[label] <= len(said):
        kind = "tie"
    return Outcome(kind, len(said), dict(sorted(counts.items())), label if kind == "labelled" else None)
