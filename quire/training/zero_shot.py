"""The zero-shot experts: what the backbone, before any labels, says of each label.

A label may name some of the backbone's 1,000 classes, and one label, the background, everything that the others do not.
The probability mass m_k of label k is the sum over its classes. An answer takes two questions, and each has an expert:

    z_which(k) = log( m_k / Σ_j m_j )            j over the labels that name classes: which of them is it?
    z_any(k)   = log( Σ_j m_j / m_background )   the same for each of them: is it any of them at all?

Both are 0 for the background. 150 labelled images cannot say what "other" is; the backbone has seen 1,000 kinds of things.
"""

import csv
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from quire.command import BadInput

CLASSES = Path(__file__).with_name("imagenet_classes.csv")  # the order of ILSVRC 2012; names as torchvision (BSD-3) spells them
BACKGROUND = "background"
Groups = dict[str, list[str] | str]  # label → groups of classes, or "background" for what no group names
PLACE = "params.yaml: train.zero_shot.groups"


def class_names() -> list[str]:
    """The names of the backbone's classes, in their order."""
    with CLASSES.open(newline="", encoding="utf-8") as stream:
        return [row["name"] for row in csv.DictReader(stream)]


def members(groups: Groups, labels: list[str]) -> list[list[int]]:
    """The backbone's classes of each label, as indices; the background gets what the others leave.

    A group is written `281 tabby` or `281 tabby .. 285 Egyptian cat`. Raises BadInput for a number that does not bear
    its name, a class in two labels, a label without groups or groups without a label.
    """
    unknown, missing = sorted(set(groups) - set(labels)), sorted(set(labels) - set(groups))
    if unknown:
        raise BadInput(f"{PLACE}: {unknown[0]!r} is none of the labels {', '.join(labels)}")
    if missing:
        raise BadInput(
            f"{PLACE}: the label {missing[0]!r} has no groups; say `{BACKGROUND}` for what no group names, or leave all out"
        )
    names = class_names()
    found = {label: [index for group in given for index in _span(label, group, names)] for label, given in _named(groups)}
    taken: dict[int, str] = {}
    for label, indices in found.items():
        for index in indices:
            if taken.setdefault(index, label) != label or indices.count(index) > 1:
                raise BadInput(f"{PLACE}.{label}: {index} {names[index]} is named twice, the first time for {taken[index]}")
    backgrounds = [label for label, given in groups.items() if isinstance(given, str)]
    if len(backgrounds) > 1:
        raise BadInput(f"{PLACE}: {' and '.join(sorted(backgrounds))} cannot both be the background")
    left = [index for index in range(len(names)) if index not in taken]
    return [found.get(label, left) for label in labels]


def _named(groups: Groups) -> list[tuple[str, list[str]]]:
    for label, given in groups.items():
        if given == [] or (isinstance(given, str) and given != BACKGROUND):
            raise BadInput(f"{PLACE}.{label}: {given!r} is neither a list of groups nor `{BACKGROUND}`")
    return [(label, given) for label, given in groups.items() if isinstance(given, list)]


def _span(label: str, group: str, names: list[str]) -> range:
    ends = [_index(label, end, names) for end in group.split(" .. ")]
    if len(ends) > 2 or ends[0] > ends[-1]:
        raise BadInput(f"{PLACE}.{label}: {group!r} is no span; write `281 tabby .. 285 Egyptian cat`")
    return range(ends[0], ends[-1] + 1)


def _index(label: str, end: str, names: list[str]) -> int:
    match = re.fullmatch(r"(\d+) (.+)", end.strip())
    if not match or int(match[1]) >= len(names):
        raise BadInput(f"{PLACE}.{label}: {end!r} is no class; write its number and its name as {CLASSES.name} does")
    index = int(match[1])
    if names[index] != match[2]:
        raise BadInput(f"{PLACE}.{label}: {end!r}: class {index} is {names[index]!r}, not {match[2]!r}")
    return index


def background_of(groups: Groups, labels: list[str]) -> int | None:
    """Which label is the background, if any."""
    return next((labels.index(label) for label, given in groups.items() if given == BACKGROUND), None)


class ZeroShot(nn.Module):
    """Class probabilities (N, 1000) → the two experts' logits (N, 2, C): which, then any."""

    membership: Tensor
    named: Tensor

    def __init__(self, groups: list[list[int]], background: int | None, classes: int = 1000) -> None:
        super().__init__()
        membership = torch.zeros(classes, len(groups))
        for label, indices in enumerate(groups):
            membership[indices, label] = 1
        named = torch.ones(len(groups))
        if background is not None:
            named[background] = 0
        self.register_buffer("membership", membership)  # (1000, C): whether a class is a label's
        self.register_buffer("named", named)  # (C,): 0 for the background

    def forward(self, probabilities: Tensor) -> Tensor:
        """(N, 1000) → (N, 2, C), of the same type."""
        masses = (probabilities @ self.membership).clamp_min(1e-9)  # (N, C)
        named = (masses * self.named).sum(1, keepdim=True)  # (N, 1)
        others = 1 - (self.membership * self.named).sum(1)  # (1000,): 1 for a class that no label names
        background = (probabilities @ others).clamp_min(1e-9)[:, None]
        return torch.stack([(masses / named).log() * self.named, (named / background).log() * self.named], 1)


def zero_shot(groups: Groups, labels: list[str]) -> ZeroShot | None:
    """The experts for these labels, or none where no groups are named. Raises BadInput as `members` does."""
    return ZeroShot(members(groups, labels), background_of(groups, labels)) if groups else None
