from collections import Counter

import numpy as np
import pytest

from quire.items.groups import Group, assign


@pytest.mark.parametrize(("groups", "folds"), [(27, 10), (6, 6), (3, 3), (40, 10)])
def test_folds_are_none_empty_and_stratified_even_where_classes_are_small(groups: int, folds: int) -> None:
    """As `assign_folds` calls it; importing that would import Lightning."""
    keys = [(f"doc{number}",) for number in range(groups)]
    label_of = {key: "abc"[number % 3] for number, (key,) in enumerate(keys)}
    assigned: dict[tuple[str, ...], int] = {}
    assign(keys, label_of, dict.fromkeys(range(folds), 1 / folds), 0, assigned)
    sizes = Counter(assigned.values())
    assert len(sizes) == folds
    assert max(sizes.values()) - min(sizes.values()) <= 3


@pytest.mark.pipeline
def test_the_test_set_is_a_fold_of_its_own() -> None:
    from quire.training.cross_validation import TEST, assign_folds, seen_by

    groups: list[Group] = [(f"doc{number}-a", f"doc{number}-b") for number in range(8)]
    label_of = {key: "ab"[number % 2] for number, group in enumerate(groups) for key in group}
    fold_of = assign_folds(groups, label_of, {"doc3-a", "doc3-b"}, 10, seed=0)
    assert {key for key, fold in fold_of.items() if fold == TEST} == {"doc3-a", "doc3-b"}
    assert set(fold_of.values()) == {TEST, *range(7)}
    assert all(fold_of[first] == fold_of[second] for first, second in groups)
    folds = np.array([TEST, 0, 1, 1, 2])
    assert seen_by(1, folds).tolist() == [False, True, False, False, True]
    assert seen_by(TEST, folds).tolist() == [False, True, True, True, True]
