"""A planted shift is caught, a null run is quiet."""

from typing import Any

import numpy as np
import pytest

from quire.command import BadInput
from quire.lifecycle.permutation_test import SIGNIFICANCE, Sample, energy_distance, shifts


def sample(name: str, seed: int, documents: int = 20, moved: float = 0.0, cats: float = 0.4, width: float = 500) -> Sample:
    """Documents of one to eight pages, whose pages are alike, as a client's are."""
    random = np.random.default_rng(seed)
    groups = np.repeat([f"{seed}-{number}" for number in range(documents)], random.integers(1, 9, documents))
    count = len(groups)
    of_document = {group: random.normal(0, 1, 8) for group in dict.fromkeys(groups)}
    return Sample(
        name,
        groups,
        {
            "class mix": np.eye(2)[(random.random(count) > cats).astype(int)],
            "image size": np.log(random.normal([width, 375], 30, (count, 2))),
            "confidence": random.beta(9, 1, (count, 1)),
            "embedding": np.stack([of_document[group] for group in groups]) + random.normal(0, 1, (count, 8)) + moved,
        },
        ["cat", "dog"],
    )


def drifted(before: Sample, after: Sample) -> set[str]:
    return {shift.measure for shift in shifts(before, after) if shift.drifted}


def test_a_null_run_is_quiet() -> None:
    """Forty pairs of samples from one source: at a level of 1 %, two alarms would be seen in 6 % of such tests, three in 0.7 %."""
    assert SIGNIFICANCE == 0.01
    alarms = sum(bool(drifted(sample("a", 2 * seed), sample("b", 2 * seed + 1))) for seed in range(40))
    assert alarms <= 2


@pytest.mark.parametrize(
    ("planted", "measures"),
    [({"cats": 0.95}, {"class mix"}), ({"width": 300}, {"image size"}), ({"moved": 1.5}, {"embedding"})],
)
def test_a_planted_shift_is_caught_where_it_was_planted(planted: dict[str, Any], measures: set[str]) -> None:
    assert drifted(sample("a", 0), sample("b", 1, **planted)) == measures


def test_one_odd_document_is_no_drift() -> None:
    """Eight equal pages of one client are one document, not eight pieces of evidence."""
    before, after = sample("a", 0), sample("b", 1)
    odd = after.groups == after.groups[0]
    after.measures["embedding"][odd] += 5
    assert drifted(before, after) == set()


def test_too_few_documents_are_said_to_be() -> None:
    with pytest.raises(BadInput, match="b: 3 documents, too few to tell a drift from chance"):
        shifts(sample("a", 0), sample("b", 1, documents=3))


def test_energy_distance_of_one_hot_rows_is_the_difference_of_the_shares() -> None:
    rows = np.eye(2)[[0, 0, 0, 1, 0, 1, 1, 1]]
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    sides = np.repeat([0.0, 1.0], 4)[:, None]
    assert energy_distance(distances, sides) == pytest.approx(np.sqrt(2) * (0.5**2 + 0.5**2))
