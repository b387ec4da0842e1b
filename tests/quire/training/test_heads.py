"""How the network is fed, fitted and stopped. Marked, for PyTorch and Lightning take seconds to import."""

import pytest

pytestmark = pytest.mark.pipeline


def test_pixels_reach_the_backbone_as_rgb_from_minus_one_to_one() -> None:
    import torch

    from quire.training.encoders import Backbone

    backbone, seen = Backbone("efficientnet-lite0", 64).eval(), []
    backbone.network._conv_stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    pixels[..., 0], pixels[..., 1] = 255, 127  # red full, green half, blue none
    backbone(pixels)
    assert [seen[0][0, channel].unique().item() for channel in range(3)] == [1.0, 0.0, -127 / 128]


def test_the_pretrained_weights_are_in_their_places() -> None:
    """A blank head gives even odds; the backbone's own head, whose weights came with it, must not."""
    import torch

    from quire.training.encoders import Backbone

    backbone = Backbone("efficientnet-lite0", 224)
    ramp = torch.linspace(0, 255, 224).to(torch.uint8).repeat(224, 1)[None, ..., None].repeat(1, 1, 1, 3)
    with torch.inference_mode():
        shares = torch.softmax(backbone.classifier(backbone.eval()(ramp).mean((2, 3))), dim=1)
    assert shares.max() > 0.05  # a thousand classes


def test_the_served_head_and_those_that_are_only_asked_end_at_the_same_place() -> None:
    """One through Lightning, step by step, the other in the space that the features span."""
    import torch
    from torch.utils.data import TensorDataset

    from quire.training.encoders import FEATURES, Head
    from quire.training.heads import Decay, Schedule, fit_head, solve

    draws = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(60, FEATURES, generator=draws), torch.randint(0, 3, (60,), generator=draws)  # nothing to learn
    train, validation = TensorDataset(inputs[:40], targets[:40]), TensorDataset(inputs[40:], targets[40:])
    head, decay = Head(3), Decay(0.01, 0.01, 0.1)
    curves = fit_head(head, train, validation, decay, Schedule(epochs=50, patience=5))
    assert curves[-1]["objective"] <= curves[0]["objective"]
    solved = solve(3, None, inputs[:40], targets[:40], decay)
    with torch.inference_mode():
        assert torch.allclose(head(inputs), solved(inputs), atol=0.01)  # of logits up to 4; one of the two is in single precision


def test_only_training_images_are_augmented() -> None:
    import torch
    from torch.utils.data import TensorDataset

    from quire.training.heads import Augmented

    images = torch.arange(64 * 64 * 3).remainder(256).to(torch.uint8).reshape(1, 64, 64, 3)
    plain = TensorDataset(images, torch.zeros(1, dtype=torch.int64))
    image, target = Augmented(plain)[0]
    assert (image.shape, image.dtype, int(target)) == ((64, 64, 3), torch.uint8, 0)
    assert not torch.equal(image, images[0])
    assert torch.equal(plain[0][0], images[0])


def test_temperature_calibrates_and_stays_finite_where_all_is_right() -> None:
    import numpy as np

    from quire.training.heads import fit_temperature

    draws = np.random.default_rng(0)
    logits = draws.normal(size=(2000, 3)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = np.array([draws.choice(3, p=row / row.sum()) for row in shares.astype(np.float64)])
    assert fit_temperature(3 * logits, targets) == pytest.approx(3, rel=0.15)
    separable = np.eye(3, dtype=np.float32)[np.arange(15) % 3] * 10
    assert 0.05 < fit_temperature(separable, np.arange(15) % 3) < 1


def test_the_prior_weighs_what_it_adds_to_held_out_answers() -> None:
    import numpy as np

    from quire.training.heads import fit_weights

    draws = np.random.default_rng(0)
    targets = draws.integers(0, 3, 500)
    truth, noise = 3 * np.eye(3)[targets], draws.normal(size=(500, 3))
    useful = np.stack([truth + noise, np.zeros((500, 3))], 1)  # (500, 2, 3)
    useless = np.stack([noise, np.zeros((500, 3))], 1)
    beside_nothing, beside_truth = (fit_weights(logits, useful, targets, 0.001)[0] for logits in (np.zeros((500, 3)), 3 * truth))
    assert beside_nothing > 1
    assert fit_weights(truth, useless, targets, 0.001)[0] < 0.2
    assert fit_weights(truth, useless, targets, 1e6) == pytest.approx([0.5, 1], abs=1e-3)
    assert fit_weights(truth, 0 * useless, targets, 0.1) == pytest.approx([0.5, 1])
    assert beside_truth < beside_nothing
