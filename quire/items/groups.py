"""Which items stay together, and how groups are dealt out to sets and folds."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from quire.command import BadInput
from quire.items.tables import Item, SetName

Group = tuple[str, ...]  # the keys of items that stay together
Name = TypeVar("Name", str, SetName, int)  # of a set, or of a fold


def with_groups(items: Sequence[Item]) -> Iterator[Item]:
    """Name each item's group: its source, joined with sources that hold equal images; the first of their paths is the name."""
    group_of = _joined_sources(items)
    return (replace(item, group=group_of[item.source]) for item in items)


def equal_across(items: Iterable[Item]) -> list[tuple[str, int]]:
    """Of each content that several sources hold, the first kept item and how many other sources hold it; the commonest first."""
    sources: dict[str, dict[str, str]] = defaultdict(dict)
    for item in items:
        if item.status == "kept" and item.image_sha256:
            sources[item.image_sha256].setdefault(item.source, str(item.key))
    found = [(next(iter(each.values())), len(each) - 1) for each in sources.values() if len(each) > 1]
    return sorted(found, key=lambda each: (-each[1], each[0]))


def _joined_sources(items: Sequence[Item]) -> dict[str, str]:
    """Source → the first, by name, of all that equal images join it with, through others too: a union-find."""
    parent: dict[str, str] = {}

    def root(source: str) -> str:
        while parent.setdefault(source, source) != source:
            parent[source] = source = parent[parent[source]]
        return source

    holder: dict[str, str] = {}  # of an image's content
    for item in items:
        own = root(item.source)
        other = root(holder.setdefault(item.image_sha256, item.source)) if item.image_sha256 else own
        parent[max(own, other)] = min(own, other)
    return {source: root(source) for source in parent}


def by_group(items: Iterable[Item]) -> list[Group]:
    """The keys of the items of each group, as the ledger's column says. Raises BadInput for an item that has none."""
    keys_of = defaultdict(list)
    for item in items:
        if item.group is None:
            raise BadInput(f"{item.key} has no group in the ledger: `dvc repro extract` writes it")
        keys_of[item.group].append(str(item.key))
    return sorted(tuple(sorted(keys)) for keys in keys_of.values())


def assign(
    groups: Sequence[Group], label_of: dict[str, str], ratios: Mapping[Name, float], seed: int, assigned: dict[Group, Name]
) -> None:
    """Add every group to `assigned`: large ones first, each to the set whose labels it leaves best balanced.

    The greedy rule of scikit-learn's StratifiedGroupKFold, for sets of unequal size and classes of any.
    """
    totals = Counter(label_of[key] for group in groups for key in group)
    held = {name: Counter[str]() for name in ratios}
    for group, name in assigned.items():
        held[name].update(label_of[key] for key in group)
    open_groups = [group for group in groups if group not in assigned]
    random.Random(seed).shuffle(open_groups)
    for position, group in enumerate(sorted(open_groups, key=len, reverse=True)):
        counts = Counter(label_of[key] for key in group)
        empty = [name for name in ratios if not held[name]]
        # the last groups go to sets that have none
        candidates = empty if len(open_groups) - position <= len(empty) else list(ratios)
        best = min(candidates, key=lambda name: _change(held[name], counts, ratios[name], totals))
        held[best].update(counts)
        assigned[group] = best


def _change(held: Counter[str], group: Counter[str], ratio: float, totals: Counter[str]) -> float:
    """By how much a group moves a set away from its share of each label, as chi-square does; negative is towards it.

    With h of a label's t images held and n more in the group, Σ ((h + n)/t − ratio)²/ratio − (h/t − ratio)²/ratio over the
    group's labels: the others stay as they are.
    """
    return sum(n / totals[label] * ((2 * held[label] + n) / totals[label] - 2 * ratio) / ratio for label, n in group.items())
