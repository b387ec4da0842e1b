"""Which items stay together, and how groups are dealt out to sets and folds."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from quire.items.tables import Item, SetName

Group = tuple[str, ...]  # the keys of items that stay together
Name = TypeVar("Name", str, SetName, int)  # of a set, or of a fold


def grouped(items: Sequence[Item]) -> list[Group]:
    """Join images of one document, and documents that hold an image of equal content, into groups."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    for item in items:
        parent[root(f"sha256 {item.image_sha256}")] = root(f"document {item.source}")
    groups = defaultdict(list)
    for item in items:
        groups[root(f"document {item.source}")].append(str(item.key))
    return sorted(tuple(sorted(keys)) for keys in groups.values())


def assign(
    groups: Iterable[Group], label_of: dict[str, str], ratios: Mapping[Name, float], seed: int, assigned: dict[Group, Name]
) -> None:
    """Add every group to `assigned`: large ones first, each to the set whose labels it leaves best balanced.

    The greedy rule of scikit-learn's StratifiedGroupKFold, for sets of unequal size and classes of any.
    """
    totals = Counter(label_of[key] for group in groups for key in group)
    held = {name: Counter(label_of[k] for g, s in assigned.items() if s == name for k in g) for name in ratios}
    open_groups = [group for group in groups if group not in assigned]
    random.Random(seed).shuffle(open_groups)
    for position, group in enumerate(sorted(open_groups, key=len, reverse=True)):
        counts = Counter(label_of[key] for key in group)
        left = len(open_groups) - position
        empty = [name for name in ratios if not held[name]]
        candidates = empty if left <= len(empty) else list(ratios)  # the last groups go to sets that have none
        best = min(candidates, key=lambda name: _change(held[name], counts, ratios[name], totals))
        held[best] += counts
        assigned[group] = best


def _change(held: Counter[str], group: Counter[str], ratio: float, totals: Counter[str]) -> float:
    """By how much a group would move a set away from its share of each label, as chi-square does; negative is towards it."""

    def distance(counts: Counter[str]) -> float:
        return sum((counts[label] / total - ratio) ** 2 / ratio for label, total in totals.items())

    return distance(held + group) - distance(held)
