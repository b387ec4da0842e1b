"""Which items stay together, and how groups are dealt out to sets and folds."""

import hashlib
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from quire.command import BadInput
from quire.items.tables import Item, SetName, read_csv

Group = tuple[str, ...]  # the keys of items that stay together
Name = TypeVar("Name", str, SetName, int)  # of a set, or of a fold


NO_WORD = re.compile(r"[\W_]+")


MAX_SHARED = 5  # documents: the default of `extract.max_shared`


def with_groups(items: Sequence[Item], texts: Path | None = None, max_shared: int = MAX_SHARED) -> Iterator[Item]:
    """Name each item's group: where it comes from, joined with what holds equal images or texts; the first name is the group's.

    A row of a table comes from where its column `group` says, or stands for itself; all else from its file. Of `texts`, a CSV
    of key and text, those are equal that are so after folding case and punctuation.
    An image that more than `max_shared` of these hold, such as a logo, says nothing of them and joins none: its copies, wherever
    they stand, are a group of their own, named by their content, unless a text beside it tells them apart. So no image alone is in
    two sets, and sources stay apart.
    """
    contents = _folded(texts) if texts else {}
    own = [item.group or (item.key if item.row is not None else None) or item.source for item in items]
    common = _common(zip(own, items, strict=True), max_shared)
    for number, item in enumerate(items):
        if item.image_sha256 in common and item.key not in contents:
            own[number] = f"sha256:{item.image_sha256}"
    held = [[None if item.image_sha256 in common else item.image_sha256, contents.get(item.key)] for item in items]
    group_of = _joined(own, held)
    return (replace(item, group=group_of[name]) for item, name in zip(items, own, strict=True))


def _common(items: Iterable[tuple[str, Item]], max_shared: int) -> set[str]:
    """The images, by SHA-256, that items of more than so many places hold."""
    places: dict[str, set[str]] = defaultdict(set)
    for place, item in items:
        if item.image_sha256:
            places[item.image_sha256].add(place)
    return {content for content, each in places.items() if len(each) > max_shared}


def _folded(texts: Path) -> dict[str | None, str]:
    """Key → what a text is without case and punctuation, hashed; nothing where nothing is left."""
    folded = dict[str | None, str]()
    for row in read_csv(texts):
        words = NO_WORD.sub(" ", unicodedata.normalize("NFKC", row["text"]).casefold()).strip()
        if words:
            folded[row["key"]] = hashlib.sha256(words.encode(errors="surrogatepass")).hexdigest()
    return folded


def equal_across(items: Iterable[Item]) -> list[tuple[str, int]]:
    """Of each content that several sources hold, the first kept item and how many other sources hold it; the commonest first."""
    sources: dict[str, dict[str, str]] = defaultdict(dict)
    for item in items:
        if item.status == "kept" and item.image_sha256:
            sources[item.image_sha256].setdefault(item.source, str(item.key))
    found = [(next(iter(each.values())), len(each) - 1) for each in sources.values() if len(each) > 1]
    return sorted(found, key=lambda each: (-each[1], each[0]))


def _joined(names: Sequence[str], contents: Sequence[Sequence[str | None]]) -> dict[str, str]:
    """Name → the first of all that equal contents join it with, through others too: a union-find."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = name = parent[parent[name]]
        return name

    holder: dict[str, str] = {}  # of a content
    for name, held in zip(names, contents, strict=True):
        for content in filter(None, held):
            own, other = root(name), root(holder.setdefault(content, name))
            parent[max(own, other)] = min(own, other)
        root(name)
    return {name: root(name) for name in parent}


def by_group(items: Iterable[Item]) -> list[Group]:
    """The keys of the items of each group, as the ledger's column says. Raises BadInput for an item that has none."""
    keys_of = defaultdict(list)
    for item in items:
        if item.group is None:
            raise BadInput(f"{item.key} has no group in the ledger: `dvc repro extract` writes it")
        keys_of[item.group].append(str(item.key))
    return sorted(tuple(sorted(keys)) for keys in keys_of.values())


def frozen_sets(groups: Sequence[Group], sets: Mapping[str, SetName], place: object) -> dict[Group, SetName]:
    """The sets of the groups that hold a key with one. Raises BadInput, which names `place`, for a group with keys of two sets."""
    assigned = {}
    for group in groups:
        named = {sets[key]: key for key in group if key in sets}
        if len(named) > 1:
            pairs = ", ".join(f"{key} in {name}" for name, key in named.items())
            raise BadInput(f"{place}: {pairs}, but they are one group: one document, or joined by equal images")
        if named:
            assigned[group] = next(iter(named))
    return assigned


def assign(
    groups: Sequence[Group], label_of: dict[str, str], ratios: Mapping[Name, float], seed: int, assigned: dict[Group, Name]
) -> None:
    """Add every group to `assigned`: large ones first, each to the set whose labels it leaves best balanced.

    The greedy rule of scikit-learn's StratifiedGroupKFold, for sets of unequal size and classes of any.
    """
    totals = Counter(label_of[key] for group in groups for key in group)
    held = {name: Counter[str]() for name in ratios}
    for group, name in assigned.items():
        if name in held:
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
