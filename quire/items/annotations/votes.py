"""Votes on images, and what they come to."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

FEEDBACK = "csv:feedback "


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

    @property
    def is_feedback(self) -> bool:
        """Whether it was sent to the service, by somebody who had seen the model's answer: `service/store.py` names them so."""
        return self.annotator.startswith(FEEDBACK)


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


Kind = Literal["labelled", "unlabelled", "conflict", "incomplete", "tie"]


@dataclass(frozen=True)
class Outcome:
    """What the votes on one image come to: a label, or why there is none.

    `voters` are the people who counted, `counts` how many of them said each label, by label. Where `by_feedback`, nobody else said
    anything. `differing` are the labels of feedback that are not the image's, and how many people sent each.
    """

    kind: Kind
    voters: int
    counts: dict[str, int]
    label: str | None = None
    by_feedback: bool = False
    differing: dict[str, int] = field(default_factory=dict)

    @property
    def votes(self) -> int:
        """How many annotators counted; 0 where only feedback did, which is no annotation."""
        return 0 if self.by_feedback else self.voters

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
    Feedback counts where nobody else said anything, and never costs a label: what differs is told, for people to label.
    """
    all_votes = list(votes)
    sent = opinions(vote for vote in all_votes if vote.is_feedback)
    said = opinions(vote for vote in all_votes if not vote.is_feedback)
    by_feedback = bool(sent) and not said
    counts = Counter(label for labels in (sent if by_feedback else said).values() for label in labels)
    voters = len(sent if by_feedback else said)
    kind, label = _majority(counts, voters, min_votes)
    if by_feedback and label is None:
        kind = "unlabelled"
    differing = Counter(other for labels in sent.values() for other in labels if other != label)
    return Outcome(kind, voters, dict(sorted(counts.items())), label, by_feedback, dict(sorted(differing.items())))


def _majority(counts: Counter[str], voters: int, min_votes: int) -> tuple[Kind, str | None]:
    label = max(counts, key=lambda name: counts[name], default=None)
    if label is None:
        return "unlabelled", None
    if counts.total() > voters:
        return "conflict", None
    if voters < min_votes:
        return "incomplete", None
    return ("tie", None) if 2 * counts[label] <= voters else ("labelled", label)
