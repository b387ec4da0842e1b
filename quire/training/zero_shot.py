"""What the backbone knows already: which share of its softmax over ImageNet's 1,000 classes each label holds.

150 labelled images cannot say what "other" is; the backbone has seen 1,000 kinds of things, which can. Its evidence
is split into the two questions that an answer takes: is it any of the labels that name classes (the open question,
which training images cover badly), and which of them (which they cover well).
"""

import csv
import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from quire.command import BadInput

CLASSES = Path(__file__).with_name("imagenet_classes.csv")  # the order of ILSVRC 2012; names as torchvision (BSD-3) spells them
REST = "rest"
Groups = dict[str, list[str] | str]  # label → groups of classes, or "rest" for what no group names
PLACE = "params.yaml: train.prior.groups"


def class_names() -> list[str]:
    """The names of the backbone's classes, in their order."""
    with CLASSES.open(newline="", encoding="utf-8") as stream:
        return [row["name"] for row in csv.DictReader(stream)]


def members(groups: Groups, labels: list[str]) -> list[list[int]]:
    """The backbone's classes of each label, as indices; a label that is the rest gets what the others leave.

    A group is written `281 tabby` or `281 tabby .. 285 Egyptian cat`. Raises BadInput for a number that does not bear
    its name, a class in two labels, a label without groups or groups without a label.
    """
    unknown, missing = sorted(set(groups) - set(labels)), sorted(set(labels) - set(groups))
    if unknown:
        raise BadInput(f"{PLACE}: {unknown[0]!r} is none of the labels {', '.join(labels)}")
    if missing:
        raise BadInput(f"{PLACE}: the label {missing[0]!r} has no groups; say `{REST}` for what no group names, or leave all out")
    names = class_names()
    found = {label: [index for group in given for index in _span(label, group, names)] for label, given in _named(groups)}
    taken: dict[int, str] = {}
    for label, indices in found.items():
        for index in indices:
            if taken.setdefault(index, label) != label or indices.count(index) > 1:
                raise BadInput(f"{PLACE}.{label}: {index} {names[index]} is named twice, the first time for {taken[index]}")
    rest = [label for label, given in groups.items() if isinstance(given, str)]
    if len(rest) > 1:
        raise BadInput(f"{PLACE}: {' and '.join(sorted(rest))} cannot both be the rest")
    left = [index for index in range(len(names)) if index not in taken]
    return [found.get(label, left) for label in labels]


def _named(groups: Groups) -> list[tuple[str, list[str]]]:
    for label, given in groups.items():
        if given == [] or (isinstance(given, str) and given != REST):
            raise BadInput(f"{PLACE}.{label}: {given!r} is neither a list of groups nor `{REST}`")
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


def rest_of(groups: Groups, labels: list[str]) -> int | None:
    """Which label is the rest, if any."""
    return next((labels.index(label) for label, given in groups.items() if given == REST), None)


class Prior(nn.Module):
    """The backbone's own classifier, summed by label: a feature map (N, 1280, H, W) → evidence (N, 2, C) float32.

    Row 0 answers "which of the labels that name classes": log p(label | any of them). Row 1 answers "any of them at
    all": log odds against the rest. Both are 0 for the label that is the rest.
    """

    membership: Tensor
    named: Tensor
    outside: Tensor

    def __init__(self, classifier: nn.Linear, groups: list[list[int]], rest: int | None) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False)
        membership = torch.zeros(classifier.out_features, len(groups))
        for label, indices in enumerate(groups):
            membership[indices, label] = 1
        named = torch.ones(len(groups))
        if rest is not None:
            named[rest] = 0
        self.register_buffer("membership", membership)  # (1000, C)
        self.register_buffer("named", named)  # (C,): 0 for the rest
        self.register_buffer("outside", 1 - (membership * named).sum(1))  # (1000,): 1 for a class of the rest

    def forward(self, feature_map: Tensor) -> Tensor:
        """(N, 1280, H, W) → (N, 2, C) float32.

        Averages the softmax over the four windows that leave out one row and one column of the map, as averaging over
        four crops of the image would: almost free, for the map is there.
        """
        windows = avg_pool2d(feature_map, feature_map.shape[-1] - 1, stride=1)  # (N, 1280, 2, 2)
        return self.evidence(self.classifier(windows.flatten(2).transpose(1, 2)).softmax(2).mean(1))

    def evidence(self, shares: Tensor) -> Tensor:
        """Probabilities of the backbone's classes, (N, 1000), → (N, 2, C)."""
        masses = (shares @ self.membership).clamp_min(1e-9)  # (N, C)
        named = (masses * self.named).sum(1, keepdim=True)  # (N, 1)
        rest = (shares @ self.outside).clamp_min(1e-9)[:, None]
        which = (masses / named).log() * self.named
        anything = (named / rest).log() * self.named
        return torch.stack([which, anything], 1)


def prior_of(classifier: nn.Linear, groups: Groups, labels: list[str]) -> Prior | None:
    """The prior for these labels, or none where no groups are named. Raises BadInput as `members` does."""
    return Prior(classifier, members(groups, labels), rest_of(groups, labels)) if groups else None
