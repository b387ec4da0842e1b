import numpy as np

from quire.evaluation.baselines import baselines

NONE = np.zeros((60, 1))


def test_the_size_baseline_sees_a_shortcut() -> None:
    random = np.random.default_rng(0)
    targets, fold_of = random.integers(0, 2, 60), np.arange(60) % 5
    telling = np.column_stack([300 + 200 * targets, np.full(60, 400)]).astype(float)
    assert baselines(telling, NONE[:60], targets, fold_of, np.arange(60), seed=0)["size"]["value"] == 1
    assert baselines(random.uniform(100, 500, (60, 2)), NONE[:60], targets, fold_of, np.arange(60), seed=0)["size"]["high"] < 0.8


def test_the_commonest_class_is_that_of_the_other_folds() -> None:
    sizes = np.ones((4, 2))
    assert baselines(sizes, NONE[:4], np.array([0, 0, 0, 1]), np.arange(4), np.arange(4), seed=0)["majority"]["value"] == 0.75
    assert (
        baselines(sizes, NONE[:4], np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.arange(4), seed=0)["majority"]["value"] == 0
    )


def test_the_length_of_a_text_is_a_baseline_where_there_are_texts() -> None:
    targets = np.arange(60) % 2
    lengths = (100 + 50 * targets[:, None]).astype(float)
    found = baselines(np.zeros((60, 2)), lengths, targets, np.arange(60) // 2 % 5, np.arange(60), seed=0)
    assert found["length"]["value"] == 1
    assert "size" not in found
