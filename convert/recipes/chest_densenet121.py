"""The recipe ``chest-densenet121``: fourteen findings in a chest radiograph.

CheXNet (Rajpurkar et al., "CheXNet: Radiologist-Level Pneumonia Detection on Chest X-Rays with Deep Learning", 2017,
arXiv:1711.05225) is DenseNet-121 (Huang et al., "Densely Connected Convolutional Networks", CVPR 2017) with one
sigmoid for each finding of ChestX-ray14 (Wang et al., CVPR 2017). Its weights were not published; those of its
reproductions are spelt as torchvision spells DenseNet-121, now or formerly, below names of their own: see `rename`.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.head import logits_and_maps
from convert.recipes.initial import untrained

FINDINGS = 14
GROWTH = 32
BOTTLENECK = 4 * GROWTH
STEM = 64
LAYERS = (6, 12, 24, 16)

_PREFIXES = re.compile(r"^(?:(?:module|model|densenet121)\.)+")
_OLD_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


class DenseLayer(nn.Module):
    """Normalisation, rectifier and convolution, twice: from all features so far to `GROWTH` more, put behind them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, BOTTLENECK, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK)
        self.conv2 = nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, C + GROWTH, H, W), the features that came in first."""
        new = self.conv1(functional.relu(self.norm1(x)))
        new = self.conv2(functional.relu(self.norm2(new)))
        return torch.cat((x, new), 1)


def _dense_block(channels: int, layers: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict((f"denselayer{index + 1}", DenseLayer(channels + index * GROWTH)) for index in range(layers))
    )


def _transition(channels: int) -> nn.Sequential:
    """Half the features at half the size."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels),
            relu=nn.ReLU(),
            conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2, 2),
        )
    )


def _features() -> tuple[nn.Sequential, int]:
    """Everything before the last rectifier, and how many features it gives."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv0=nn.Conv2d(3, STEM, 7, 2, 3, bias=False),
        norm0=nn.BatchNorm2d(STEM),
        relu0=nn.ReLU(),
        pool0=nn.MaxPool2d(3, 2, 1),
    )
    channels = STEM
    for number, layers in enumerate(LAYERS, 1):
        parts[f"denseblock{number}"] = _dense_block(channels, layers)
        channels += layers * GROWTH
        if number < len(LAYERS):
            parts[f"transition{number}"] = _transition(channels)
            channels //= 2
    parts[f"norm{len(LAYERS) + 1}"] = nn.BatchNorm2d(channels)
    return nn.Sequential(parts), channels


class ChestDenseNet121(nn.Module):
    """DenseNet-121 with a sigmoid's logit for each finding, which also returns their class activation maps."""

    def __init__(self) -> None:
        super().__init__()
        self.features, channels = _features()
        self.classifier = nn.Linear(channels, FINDINGS)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Classify normalised radiographs.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, 224, 224): grey values from 0 to 1 three times, normalised as ImageNet's channels are.

        Returns
        -------
        logits : Tensor
            float32 (N, 14): log-odds of each finding, in the order of the description's labels.
        cam : Tensor
            float32 (N, 14, 7, 7): class activation maps; each logit is the mean of its map plus the bias.
        """
        return logits_and_maps(functional.relu(self.features(image)), self.classifier)


def rename(name: str) -> str:
    """Return torchvision's name of today for a weight of a published DenseNet-121.

    Understood are torchvision's spelling before version 0.2.1 (``norm.1``, which may not stand in a module's name any
    more), what DataParallel and the reproductions of CheXNet put in front, and the latter's classifier, which is a
    sequence of the linear layer and its sigmoid.

    Examples
    --------
    >>> rename("module.densenet121.features.denseblock1.denselayer2.norm.1.weight")
    'features.denseblock1.denselayer2.norm1.weight'
    >>> rename("densenet121.classifier.0.bias")
    'classifier.bias'
    """
    today = _OLD_LAYER.sub(r"\1\2.", _PREFIXES.sub("", name))
    return today.replace("classifier.0.", "classifier.")


def build() -> ChestDenseNet121:
    """Build the network with random weights, in evaluation mode."""
    return untrained(ChestDenseNet121)


RECIPE = Recipe(
    name="chest-densenet121",
    build=build,
    inputs={"image": (1, 3, 224, 224)},
    outputs=("logits", "cam"),
    rename=rename,
)
