"""Planted images in feature space, and what is fitted on them. Marked, for PyTorch takes seconds to import."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from quire.training.settings import Settings
    from quire.training.strategies import Frozen

pytestmark = pytest.mark.pipeline

EACH = 6  # images of a cluster
FOLDS = np.arange(3 * 4 * EACH) % 3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    from quire.training.strategies import limited_to

    with limited_to(1):
        yield


def settings(groups: Any) -> "Settings":
    from quire.model.analyser import Analyser
    from quire.training.selective import Selective
    from quire.training.settings import Settings, ZeroShotSettings
    from quire.training.text_expert import TextSettings

    selective = Selective(max_risk=0.05, confidence=0.9, max_error_probability=0.2, in_distribution_quantile=0.99)
    analyser = Analyser(replacements={}, words=2, characters=(2, 5), bits=12)
    return Settings(
        backbone="efficientnet-lite0", precision="fp32", image_size=64, resize="crop", epochs=3, patience=3, weight_decay=0.01,
        fine_tune=False, fine_tune_epochs=1, fine_tune_batch_size=8, fine_tune_learning_rate=0.0001, seed=0, selective=selective,
        text=TextSettings(analyser=analyser, ridge=0.1),
        zero_shot=ZeroShotSettings(groups=groups, named_against_background=0.03),
    )  # fmt: skip


def planted(strays: bool = False, background: int | None = None) -> tuple["Frozen", NDArray[np.int64], NDArray[np.int64]]:
    """72 images of three labels with four clusters each: the strategy on them, their labels and their clusters.

    A cluster lies near its label's centre; of the first label, with `strays`, one cluster lies near the second label's.
    """
    from quire.training.strategies import Frozen, Plan

    draws = np.random.default_rng(0)
    clusters = np.repeat(np.arange(12), EACH)
    centres = draws.random((3, 100)).repeat(4, 0)
    if strays:
        centres[3] = centres[4]
    features = centres[clusters] + 0.4 * draws.random((12, 100))[clusters] + 0.1 * draws.random((72, 100))
    return Frozen(Plan(3, background, 0.01, 0.01, 0.99, None), features, np.zeros((72, 1000))), clusters // 4, clusters


def spoiled(strategy: "Frozen", rows: NDArray[np.bool_]) -> "Frozen":
    """The same with some of the images turned into nonsense."""
    from dataclasses import replace

    features = np.array(strategy.features)
    features[rows] = -100
    return replace(strategy, features=features)


def test_a_head_is_fitted_beside_the_zero_shot_experts_at_their_starting_weights() -> None:
    from quire.training.strategies import Frozen, Plan
    from quire.training.zero_shot import zero_shot

    experts = zero_shot({"a": ["281 tabby"], "b": ["151 Chihuahua"], "c": "background"}, ["a", "b", "c"])
    shares = np.full((4, 1000), 1e-4)
    shares[:2, 281], shares[2:, 151] = 0.9, 0.9
    strategy = Frozen(Plan(3, 2, 0.01, 0.01, 0.99, experts), np.zeros((4, 5)), shares)
    which, anything = strategy.zero_shot(shares).transpose(1, 0, 2)
    assert strategy.offsets(shares) == pytest.approx(0.5 * which + anything)
    assert strategy.offsets(shares).argmax(1).tolist() == [0, 0, 1, 1]
    assert not strategy.head_alone().offsets(shares).any()


def test_what_is_left_out_is_not_fitted_on() -> None:
    from quire.training.cross_validation import ask

    strategy, targets, clusters = planted()
    out = clusters == 0
    before, after = (ask(each, targets, ~out, ~out) for each in (strategy, spoiled(strategy, out)))
    assert np.array_equal(before.head, after.head)
    assert np.array_equal(before.distances, after.distances)
    assert not np.array_equal(ask(strategy, targets, ~out, out).head, ask(spoiled(strategy, out), targets, ~out, out).head)
