"""The recipe ``skin-resnet50``: melanoma or benign in a dermoscopic picture.

ResNet-50 (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016) with one logit. As in torchvision,
whose names the weights have, a block strides in its 3 x 3 convolution and not in the 1 x 1 before it ("version 1.5").
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.head import logits_and_maps
from convert.recipes.initial import untrained

STEM = 64
EXPANSION = 4
BLOCKS = (3, 4, 6, 3)
BRANCH_SCALE = 0.25


class Bottleneck(nn.Module):
    """Residual block: 1 x 1, 3 x 3 and 1 x 1 convolutions around a shortcut, projected where shapes differ."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        # Sixteen branches of full size would let untrained activations grow by a factor of hundreds.
        nn.init.constant_(self.bn3.weight, BRANCH_SCALE)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or channels != wide:
            self.downsample = nn.Sequential(nn.Conv2d(channels, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, 4 * width, H / stride, W / stride)."""
        branch = functional.relu(self.bn1(self.conv1(x)))
        branch = functional.relu(self.bn2(self.conv2(branch)))
        return functional.relu(self.bn3(self.conv3(branch)) + self.downsample(x))


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    wide = width * EXPANSION
    rest = [Bottleneck(wide, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(channels, width, stride), *rest)


class SkinResNet50(nn.Module):
    """ResNet-50 with one logit, which also returns its class activation map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, BLOCKS[0], 1)
        self.layer2 = _stage(256, 128, BLOCKS[1], 2)
        self.layer3 = _stage(512, 256, BLOCKS[2], 2)
        self.layer4 = _stage(1024, 512, BLOCKS[3], 2)
        self.fc = nn.Linear(2048, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Classify normalised colour pictures.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, 224, 224): RGB from 0 to 1, normalised as ImageNet's channels are.

        Returns
        -------
        logit : Tensor
            float32 (N, 1): log-odds of melanoma.
        cam : Tensor
            float32 (N, 1, 7, 7): class activation map; the logit is its mean plus the bias.
        """
        x = self.maxpool(functional.relu(self.bn1(self.conv1(image))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return logits_and_maps(x, self.fc)


def build() -> SkinResNet50:
    """Build the network with random weights, in evaluation mode."""
    return untrained(SkinResNet50)


RECIPE = Recipe(
    name="skin-resnet50",
    build=build,
    inputs={"image": (1, 3, 224, 224)},
    outputs=("logit", "cam"),
)
