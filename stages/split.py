"""Put labelled images into train, validation and test, no group in two, and train and validation into folds: data/split.csv.

python -m stages.split data/items.csv data/labels.csv data/frozen.csv data/split.csv
"""

import math
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import Field

from quire.command import BadInput, Seed, run
from quire.items.groups import Group, assign, by_group, frozen_sets
from quire.items.tables import SETS, Assignment, Item, Label, SetName, read_table, write_table


def split(
    items: Path,
    labels: Path,
    frozen: Path,
    assignments: Path,
    *,
    ratios: dict[SetName, float],
    folds: Annotated[int, Field(ge=3)],
    seed: Seed,
) -> None:
    """Assign each labelled image to a set and, outside the test set, to a fold: grouped, stratified by label, seeded.

    A group that `frozen`, a table like the result, names keeps its set; folds are dealt anew, and are no more than there are
    groups. Where only feedback gave a label, by people who had seen the model's answer, its group is not for the test set; of a
    frozen test group such an image is left out. One rule, `assign`, deals both. scikit-learn's StratifiedGroupKFold has the same
    rule, but for parts of equal size of which none is filled, and it refuses a number of folds that no class reaches.
    Raises BadInput for ratios that do not sum to 1, too few groups, or a group frozen in two sets.
    """
    _check_ratios(ratios)
    given = read_table(labels, Label)
    label_of, by_feedback = {row.key: row.label for row in given}, {row.key for row in given if not row.votes}
    groups = by_group(row for row in read_table(items, Item) if row.key in label_of)
    _check_enough(groups, set(label_of.values()), labels)
    set_of = frozen_sets(groups, {row.key: row.set for row in read_table(frozen, Assignment)}, frozen)
    assign([group for group in groups if not by_feedback & set(group)], label_of, ratios, seed, set_of)
    fitted: dict[SetName, float] = {name: share for name, share in ratios.items() if name != "test"}
    assign(groups, label_of, fitted, seed, set_of)
    _check_filled(set_of, label_of, labels)
    fold_of: dict[Group, int] = {}
    rest = [group for group in groups if set_of[group] != "test"]
    count = min(folds, len(rest))
    assign(rest, label_of, dict.fromkeys(range(count), 1 / count), seed, fold_of)
    rows = [Assignment(key, set_of[group], fold_of.get(group)) for group in groups for key in group]
    rows = [row for row in rows if row.set != "test" or row.key not in by_feedback]
    write_table(assignments, Assignment, sorted(rows, key=lambda row: row.key))
    _report(rows, label_of)


def _check_ratios(ratios: dict[SetName, float]) -> None:
    place = "params.yaml: split.ratios"
    if set(ratios) != set(SETS):
        raise BadInput(f"{place}: names {', '.join(sorted(ratios))}, not {', '.join(SETS)}")
    if min(ratios.values()) <= 0 or not math.isclose(sum(ratios.values()), 1, abs_tol=1e-6):
        raise BadInput(f"{place}: {ratios} are not positive numbers that sum to 1")


def _check_enough(groups: list[Group], classes: set[str], labels: Path) -> None:
    if len(classes) < 2:
        raise BadInput(f"{labels}: all labels are {', '.join(classes) or 'missing'}; a classifier needs two classes")
    if len(groups) < len(SETS):
        raise BadInput(f"{labels}: {len(groups)} groups (documents joined by equal images) are too few for {', '.join(SETS)}")


def _check_filled(set_of: dict[Group, SetName], label_of: dict[str, str], labels: Path) -> None:
    """Raise BadInput for an empty set or a class that train lacks."""
    for name in SETS:
        if name not in set_of.values():
            raise BadInput(f"{labels}: too few groups (documents joined by equal images): none is left for {name}")
    missing = set(label_of.values()) - {label_of[key] for group, name in set_of.items() if name == "train" for key in group}
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
