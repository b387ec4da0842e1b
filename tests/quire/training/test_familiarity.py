"""Scores for what is unlike the training images. Marked, for PyTorch takes seconds to import."""

import numpy as np
import pytest

pytestmark = pytest.mark.pipeline


def test_what_lies_near_a_labels_images_is_familiar_and_the_background_is_never_unfamiliar() -> None:
    import torch

    from quire.training.familiarity import Nearest

    draws = torch.Generator().manual_seed(0)
    centres = torch.rand(3, 1280, generator=draws)
    targets = torch.arange(60) % 3
    nearest = Nearest(centres[targets] + 0.05 * torch.rand(60, 1280, generator=draws), targets, 3, background=2)
    own, other, background = nearest(centres[:1])[0].tolist()
    assert own < 0.01 < other
    assert background == 0


def test_a_label_without_training_images_is_far_from_everything() -> None:
    import torch

    from quire.training.familiarity import FARTHEST, Nearest

    distances = Nearest(torch.rand(4, 1280), torch.tensor([0, 0, 2, 2]), 3, background=2)(torch.rand(5, 1280))
    assert distances[:, 1].tolist() == [FARTHEST] * 5
    assert (distances[:, 0] < 1).all()


def test_what_the_backbone_knows_is_no_stranger_however_far_it_lies() -> None:
    import torch

    from quire.training.familiarity import unfamiliarity
    from quire.training.zero_shot import zero_shot

    experts = zero_shot({"a": ["281 tabby"], "b": ["151 Chihuahua"], "c": "background"}, ["a", "b", "c"])
    assert experts
    probabilities = torch.zeros(2, 1000)
    probabilities[0, [281, 151, 0]] = torch.tensor([0.75, 0.05, 0.2])
    probabilities[1, [281, 151, 0]] = torch.tensor([0.01, 0.01, 0.98])
    distances = torch.tensor([[0.8, 0.8, 0]] * 2)
    scores = unfamiliarity(distances, experts(probabilities)).numpy()
    assert scores[0] == pytest.approx([0.8 * 0.25, 0.8 * 0.95, 0], abs=1e-6)
    assert scores[1] == pytest.approx([0.8 * 0.99, 0.8 * 0.99, 0], abs=1e-6)
    assert unfamiliarity(distances, torch.zeros(2, 2, 3)).equal(distances)  # without zero-shot experts the distance alone


def test_of_many_images_of_a_label_an_even_spread_is_compared_with() -> None:
    from quire.training.familiarity import MOST, spread

    targets = np.append(np.zeros(2 * MOST, int), [1, 1])
    assert spread(targets).tolist() == [*range(0, 2 * MOST, 2), 2 * MOST, 2 * MOST + 1]


def test_the_distance_is_that_of_a_search_by_hand() -> None:
    import torch

    from quire.training.familiarity import NEIGHBOURS, Nearest

    draws = np.random.default_rng(0)
    features, asked, targets = draws.random((40, 12)), draws.random((6, 12)), np.arange(40) % 4
    nearest = Nearest(torch.from_numpy(features), torch.from_numpy(targets), 4, background=1)
    assert not any(parameter.requires_grad for parameter in nearest.parameters())
    found = nearest.of(asked)

    def unit(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    for label in (0, 2, 3):
        cosines = np.sort(unit(asked) @ unit(features[targets == label]).T, axis=1)[:, -NEIGHBOURS:]  # (6, 5)
        assert found[:, label] == pytest.approx(1 - cosines.mean(1), abs=1e-5)
    assert not found[:, 1].any()
    few = Nearest(torch.from_numpy(features[:4]), torch.from_numpy(targets[:4]), 4, background=None)
    assert few.of(features[:4]).diagonal() == pytest.approx(0, abs=1e-5)  # of one image a label, that one


def test_what_the_backbone_knows_is_told_from_its_logits() -> None:
    import torch

    from quire.training.familiarity import known

    logits = torch.tensor([[[np.log(0.75), np.log(0.25), 0.0], [np.log(4.0), np.log(4.0), 0.0]]])  # 0.8 of all is named
    assert known(logits)[0].tolist() == pytest.approx([0.6, 0.2, 0], abs=1e-6)


def test_a_spread_keeps_the_labels_in_their_order() -> None:
    from quire.training.familiarity import spread

    assert spread(np.array([2, 0, 0, 1, 2])).tolist() == [0, 1, 2, 3, 4]
