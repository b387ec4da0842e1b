"""Put labelled images into train, validation and test, no document in two: data/split.csv.

python -m stages.split data/items.csv data/labels.csv data/frozen.csv data/split.csv
"""

import math
from collections import Counter, defaultdict
from pathlib import Path

from quire.command import BadInput, Seed, run
from quire.items.groups import Group, assign, grouped
from quire.items.tables import SETS, Assignment, Item, Label, SetName, read_table, write_table


def split(items: Path, labels: Path, frozen: Path, assignments: Path, *, ratios: dict[SetName, float], seed: Seed) -> None:
    """Assign each labelled image to a set: grouped, stratified by label, the same for the same seed.

    A group that `frozen`, a table like the result, names keeps its set.
    Raises BadInput for ratios that do not sum to 1, too few groups, or a group frozen in two sets.
    """
    _check_ratios(ratios)
    label_of = {row.key: row.label for row in read_table(labels, Label)}
    labelled = [row for row in read_table(items, Item) if row.key in label_of]
    groups = grouped(labelled)
    if len(set(label_of.values())) < 2:
        raise BadInput(
            f"{labels}: all {len(label_of)} labels are {', '.join(set(label_of.values()))}; a classifier needs two classes"
        )
    if len(groups) < len(SETS):
        raise BadInput(f"{labels}: {len(groups)} groups (documents joined by equal images) are too few for {', '.join(SETS)}")
    assigned = _frozen(groups, {row.key: row.set for row in read_table(frozen, Assignment)}, frozen)
    assign(groups, label_of, ratios, seed, assigned)
    rows = [Assignment(key, name) for group, name in assigned.items() for key in group]
    _check_result(rows, labelled, label_of, labels)
    write_table(assignments, Assignment, sorted(rows, key=lambda row: row.key))
    _report(rows, label_of)


def _check_ratios(ratios: dict[SetName, float]) -> None:
    place = "params.yaml: split.ratios"
    if set(ratios) != set(SETS):
        raise BadInput(f"{place}: names {', '.join(sorted(ratios))}, not {', '.join(SETS)}")
    if min(ratios.values()) <= 0 or not math.isclose(sum(ratios.values()), 1, abs_tol=1e-6):
        raise BadInput(f"{place}: {ratios} are not positive numbers that sum to 1")


def _frozen(groups: list[Group], sets: dict[str, SetName], frozen: Path) -> dict[Group, SetName]:
    assigned = {}
    for group in groups:
        named = {sets[key]: key for key in group if key in sets}
        if len(named) > 1:
            pairs = ", ".join(f"{key} in {name}" for name, key in named.items())
            raise BadInput(f"{frozen}: {pairs}, but they are one group: one document, or joined by equal images")
        if named:
            assigned[group] = next(iter(named))
    return assigned


def _check_result(rows: list[Assignment], items: list[Item], label_of: dict[str, str], labels: Path) -> None:
    """The promise that all that follows relies on. Raises BadInput for an empty set or a class that train lacks."""
    set_of = {row.key: row.set for row in rows}
    assert sorted(set_of) == sorted(label_of), "the split lost or invented images"
    sets_of = defaultdict(set)
    for item in items:
        sets_of[f"document {item.source}"].add(set_of[str(item.key)])
        sets_of[f"content {item.image_sha256}"].add(set_of[str(item.key)])
    torn = [name for name, sets in sets_of.items() if len(sets) > 1]
    assert not torn, f"in two sets: {torn[:3]}"
    for name in SETS:
        if name not in set_of.values():
            raise BadInput(f"{labels}: too few groups (documents joined by equal images): none is left for {name}")
    missing = set(label_of.values()) - {label_of[key] for key, name in set_of.items() if name == "train"}
    if missing:
        raise BadInput(f"{labels}: too few groups hold {', '.join(sorted(missing))}: none is left for train")


def _report(rows: list[Assignment], label_of: dict[str, str]) -> None:
    for name in SETS:
        counts = Counter(label_of[row.key] for row in rows if row.set == name)
        print(f"split: {name}: {counts.total()} images, {', '.join(f'{counts[label]} {label}' for label in sorted(counts))}")


def main() -> None:
    """Run as a command; the module's docstring shows how."""
    run(split)


if __name__ == "__main__":
    main()
