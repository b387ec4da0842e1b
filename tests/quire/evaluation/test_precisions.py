"""Two precisions beside each other. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline


def test_labels_that_differ_are_counted_where_both_answer() -> None:
    from quire.evaluation.precisions import side_by_side
    from quire.training.cross_validation import HeldOut
    from quire.training.damping import Damping
    from quire.training.pooling import START, Opinions, Pooling
    from tests.quire.training.test_strategies import settings

    targets = np.arange(40) % 2
    exact = 6 * (np.eye(2)[targets] - 0.5)
    small = exact.copy()
    small[0] *= -1  # surely another label
    small[1] *= -0.01  # another label, but unsure of it
    pooling, near = Pooling(Damping(None, 0, 1, 0, 0), START), np.full(40, 0.1)
    unused = Opinions(exact, np.zeros((40, 2, 2)), exact)
    found = side_by_side(
        {"int8": HeldOut(small, near, unused, pooling), "fp32": HeldOut(exact, near, unused, pooling)},
        targets,
        np.arange(40),
        settings({}).selective,
    )
    assert found["both_answer"] == 39
    assert found["differing"]["value"] == pytest.approx(1 / 39, abs=1e-6)
    assert found["outcomes"]["fp32"]["right"]["value"] == 1
    assert found["outcomes"]["int8"]["decided_wrong"]["value"] == pytest.approx(1 / 40)
    assert found["outcomes"]["int8"]["unsure"]["value"] == pytest.approx(1 / 40)
