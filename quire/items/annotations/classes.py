"""The classes: which labels there may be, under which names, and in which order."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from quire.command import BadInput
from quire.items.annotations.votes import Vote

Classes = list[str] | Literal["auto"]
UNSURE = "unsure"  # what the service says where it does not decide
CONTROL = {"Cc", "Cs", "Zl", "Zp"}  # Unicode's categories: controls, lone surrogates, separators of lines and paragraphs
PLACE = "params.yaml: import_labels"


def check_classes(classes: Classes, mapping: Mapping[str, str]) -> None:
    """Raise BadInput for a list that names no two different classes, for a bad name, and for a mapping to none of the list."""
    if classes != "auto":
        if len(classes) < 2:
            raise BadInput(f"{PLACE}.classes: {classes} are too few: list two classes, or write auto")
        if len(set(classes)) < len(classes):
            raise BadInput(f"{PLACE}.classes: {classes} names a class twice")
        for name in classes:
            check_name(name, f"{PLACE}.classes")
    for old, new in mapping.items():
        check_name(new, f"{PLACE}.mapping: {old}")
        if classes != "auto" and new not in classes:
            raise BadInput(f"{PLACE}.mapping: {old}: {new!r} is none of the classes {', '.join(classes)}")


def check_name(name: str, place: str) -> None:
    """Raise BadInput for a name that no class may have; `place` says where it stands."""
    if name == UNSURE:
        raise BadInput(f"{place}: a class may not be called {name!r}: the service says so where it does not decide; rename it")
    if not name or name != _composed(name) or any(unicodedata.category(character) in CONTROL for character in name):
        raise BadInput(f"{place}: {name!r} is no name of a class: it is empty, not NFC, or has control characters or outer blanks")


def renamed(votes: Iterable[Vote], mapping: Mapping[str, str]) -> list[Vote]:
    """The votes under their labels' new names. The mapping is applied once: of `{a: b, b: c}` an `a` becomes `b`."""
    new = {_composed(old): name for old, name in mapping.items()}
    return [replace(vote, label=new.get(_composed(vote.label), _composed(vote.label))) for vote in votes]


def by_class(votes: Sequence[Vote], classes: Classes) -> tuple[list[Vote], list[Vote]]:
    """The votes for the classes, and those for others; with `auto` there are no others.

    Raises BadInput that names export and place where `auto` would take a name that no class may have.
    """
    if classes == "auto":
        for label, vote in {vote.label: vote for vote in reversed(votes)}.items():
            check_name(label, f"{vote.source}: {vote.place}")
        return list(votes), []
    known = set(classes)
    return [vote for vote in votes if vote.label in known], [vote for vote in votes if vote.label not in known]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())
