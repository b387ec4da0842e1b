from collections import Counter

import pytest

from stages.split import assign


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
