"""The recipe ``unet2d``: FLAIR abnormality, pixel by pixel, in a slice of brain MRI.

U-Net (Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015), padded, so
that the mask is as large as the picture, and batch-normalised, as Buda et al. ("Association of genomic subtypes of
lower-grade gliomas with shape features automatically extracted by a deep learning algorithm", Computers in Biology and
Medicine 109, 2019) published it with weights in mateuszbuda/brain-segmentation-pytorch (MIT), whose names the weights
have. That network ends in a sigmoid; this one in its logits, and the pack's activation is the sigmoid.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

CHANNELS = 3
FEATURES = 32
LEVELS = (1, 2, 3, 4)


def _block(name: str, channels: int, width: int) -> nn.Sequential:
    """Two convolutions, each normalised and rectified."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for number, given in enumerate((channels, width), 1):
        parts[f"{name}conv{number}"] = nn.Conv2d(given, width, 3, padding=1, bias=False)
        parts[f"{name}norm{number}"] = nn.BatchNorm2d(width)
        parts[f"{name}relu{number}"] = nn.ReLU()
    return nn.Sequential(parts)


class UNet2d(nn.Module):
    """U-Net of four levels with one logit for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        for level in LEVELS:
            width = FEATURES * 2 ** (level - 1)
            self.add_module(f"encoder{level}", _block(f"enc{level}", width // 2 if level > 1 else CHANNELS, width))
            self.add_module(f"upconv{level}", nn.ConvTranspose2d(2 * width, width, 2, 2))
            self.add_module(f"decoder{level}", _block(f"dec{level}", 2 * width, width))
        deepest = FEATURES * 2 ** len(LEVELS)
        self.bottleneck = _block("bottleneck", deepest // 2, deepest)
        self.conv = nn.Conv2d(FEATURES, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment normalised slices.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, H, W), sides divisible by 16: slices before contrast, FLAIR and after contrast, each of
            mean 0 and deviation 1; a sequence that is missing is replaced by FLAIR.

        Returns
        -------
        logits : Tensor
            float32 (N, 1, H, W): log-odds that the pixel is abnormal.
        """
        x = image
        skipped: list[Tensor] = []
        for level in LEVELS:
            x = self.get_submodule(f"encoder{level}")(x)
            skipped.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for level in reversed(LEVELS):
            x = torch.cat((self.get_submodule(f"upconv{level}")(x), skipped.pop()), 1)
            x = self.get_submodule(f"decoder{level}")(x)
        logits: Tensor = self.conv(x)
        return logits


def build() -> UNet2d:
    """Build the network with random weights, in evaluation mode."""
    return untrained(UNet2d)


RECIPE = Recipe(
    name="unet2d",
    build=build,
    inputs={"image": (1, CHANNELS, 256, 256)},
    outputs=("logits",),
)
