"""What goes through PyTorch and Lightning. Marked, for they take seconds to import."""

import pytest

pytestmark = pytest.mark.pipeline


def test_pixels_reach_the_backbone_as_rgb_from_minus_one_to_one() -> None:
    import torch

    from quire.training.encoders import ImageEncoder

    encoder, seen = ImageEncoder("efficientnet-lite0", 64).eval(), []
    encoder.network._conv_stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    pixels[..., 0], pixels[..., 1] = 255, 127  # red full, green half, blue none
    encoder(pixels)
    assert [seen[0][0, channel].unique().item() for channel in range(3)] == [1.0, 0.0, -127 / 128]


def test_the_pretrained_weights_are_in_their_places() -> None:
    """A blank head gives even odds; the backbone's own head, whose weights came with it, must not."""
    import torch

    from quire.training.encoders import ImageEncoder

    ramp = torch.linspace(0, 255, 224).to(torch.uint8).repeat(224, 1)[None, ..., None].repeat(1, 1, 1, 3)
    with torch.inference_mode():
        features, probabilities, feature_map = ImageEncoder("efficientnet-lite0", 224).eval()(ramp)
    assert torch.allclose(features, feature_map.mean((2, 3)))
    assert probabilities.shape == (1, 1000)
    assert probabilities.sum().item() == pytest.approx(1)
    assert probabilities.max() > 0.05


def test_lightning_ends_near_where_the_head_is_solved() -> None:
    import numpy as np
    import torch
    from torch.utils.data import TensorDataset

    from quire.training.heads import ridge, solve
    from quire.training.trainer import LinearHead, Schedule, fit_head

    draws = np.random.default_rng(0)
    features, offsets, targets = draws.normal(size=(60, 30)), draws.normal(size=(60, 3)), draws.integers(0, 3, 60)
    inputs, labels = torch.from_numpy(np.column_stack([features, offsets])), torch.from_numpy(targets)
    head, penalty = LinearHead(30, 3), ridge(3, 0.01, 0.3, 2)
    train, validation = TensorDataset(inputs[:40], labels[:40]), TensorDataset(inputs[40:], labels[40:])
    curves = fit_head(head, train, validation, penalty, Schedule(epochs=50, patience=5))
    assert curves[-1]["objective"] <= curves[0]["objective"]
    solved = solve(features[:40], offsets[:40], targets[:40], penalty)
    assert np.abs(head.head().logits(features) - solved.logits(features)).max() < 0.02  # of logits up to 4


def test_only_training_images_are_augmented() -> None:
    import torch
    from torch.utils.data import TensorDataset

    from quire.training.trainer import Augmented

    images = torch.arange(64 * 64 * 3).remainder(256).to(torch.uint8).reshape(1, 64, 64, 3)
    plain = TensorDataset(images, torch.zeros(1, dtype=torch.int64))
    image, target = Augmented(plain)[0]
    assert (image.shape, image.dtype, int(target)) == ((64, 64, 3), torch.uint8, 0)
    assert not torch.equal(image, images[0])
    assert torch.equal(plain[0][0], images[0])


def test_fine_tuning_drops_connections_and_keeps_the_statistics_of_batch_normalisation() -> None:
    import numpy as np
    import torch
    from torch.utils.data import TensorDataset

    from quire.training.encoders import ImageEncoder
    from quire.training.heads import Head
    from quire.training.trainer import Network, Schedule, fine_tune

    torch.manual_seed(0)
    network = Network(ImageEncoder("efficientnet-lite0", 64), Head(np.zeros((2, 1280)), np.zeros(2)), lambda _: torch.zeros(1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = []
    network.encoder.network._blocks[5].register_forward_pre_hook(
        lambda block, _: modes.append((block.training, block._bn2.training))
    )
    images = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8)
    examples = TensorDataset(images, torch.arange(8) % 2)
    fine_tune(network, examples, examples, 1e-3, Schedule(epochs=2, batch_size=4))
    assert modes == [(True, False)] * 2 + [(False, False)] * 2 + [(True, False)] * 2 + [(False, False)] * 2  # then validation
    after = network.state_dict()
    changed = {name.rsplit(".", 1)[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"weight", "bias"}  # no running mean or variance
    assert not torch.equal(before["encoder.network._bn1.weight"], after["encoder.network._bn1.weight"])
    assert torch.equal(before["encoder.network._fc.weight"], after["encoder.network._fc.weight"])
    assert not network.training


def test_a_gpu_has_workers_and_mixed_precision() -> None:
    import torch
    from torch.utils.data import TensorDataset

    from quire.training.trainer import Schedule, _loader, _trainer

    examples = TensorDataset(torch.zeros(10, 2), torch.zeros(10, dtype=torch.int64))
    loader = _loader(examples, Schedule(1, None, 4, "gpu", workers=2), shuffle=True)
    assert (loader.num_workers, loader.persistent_workers, loader.pin_memory, loader.batch_size) == (2, True, True, 4)
    plain = _loader(examples, Schedule(1), shuffle=True)
    assert (plain.num_workers, plain.pin_memory, plain.batch_size) == (0, False, 10)
    assert _trainer(Schedule(1), [], None).precision == "32-true"
