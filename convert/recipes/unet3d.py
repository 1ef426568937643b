"""The recipe ``unet3d``: fourteen classes of voxels in an abdominal CT.

3-D U-Net (Cicek et al., "3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation", MICCAI 2016). Names
of the weights follow those of wolny/pytorch-3dunet, whose network rises without weights of its own, so that its files
do not fit.

It departs from the paper's in these places:

- Convolutions are padded, so that the answer is as large as the window; theirs lost 88 voxels along each axis.
- Convolutions before a normalisation have no bias, which the normalisation would take away.
- It has 14 labels and a background on one channel of input; theirs 3 classes on three channels.
- The first layer's width is an option, 32 in the paper; here 16, with which it multiplies 2.1e11 times for a window of
  96 x 96 x 96 voxels and has 4.8 million weights.
- Normalisation is an option: over the batch, as theirs, or over each instance with a leaky rectifier, as Isensee et
  al. do ("nnU-Net", Nature Methods 18, 2021).
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

CLASSES = 15
SIDE = 96
WIDTH = 16
LEVELS = 4
LEAK = 0.01

Norm = Literal["batch", "instance"]


def _convolution(channels: int, width: int, norm: Norm) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict(conv=nn.Conv3d(channels, width, 3, padding=1, bias=False))
    if norm == "batch":
        parts["batchnorm"], parts["ReLU"] = nn.BatchNorm3d(width), nn.ReLU()
    else:
        parts["instancenorm"], parts["LeakyReLU"] = nn.InstanceNorm3d(width, affine=True), nn.LeakyReLU(LEAK)
    return nn.Sequential(parts)


class Level(nn.Module):
    """Two convolutions; where `rising` says so, behind the up-convolution to the level."""

    def __init__(self, widths: tuple[int, int, int], norm: Norm, rising: int = 0) -> None:
        super().__init__()
        if rising:
            self.upsampling = nn.ConvTranspose3d(rising, rising, 2, 2, bias=False)
        channels, first, second = widths
        self.basic_module = nn.Sequential(
            OrderedDict(SingleConv1=_convolution(channels, first, norm), SingleConv2=_convolution(first, second, norm))
        )

    def forward(self, x: Tensor, skipped: Tensor | None = None) -> Tensor:
        """Return the level's features, float32 (N, width, d, h, w), as large as `x` or else as `skipped`."""
        joined = x if skipped is None else torch.cat((skipped, self.upsampling(x)), 1)
        features: Tensor = self.basic_module(joined)
        return features


class UNet3d(nn.Module):
    """3-D U-Net of four levels with a logit for each class of each voxel.

    Parameters
    ----------
    channels : int
        Of the input.
    classes : int
        Of the output, the background among them.
    width : int
        Features of the first convolution; each level ends in twice as many as it begins with.
    norm : {"batch", "instance"}
    """

    def __init__(self, *, channels: int = 1, classes: int = CLASSES, width: int = WIDTH, norm: Norm = "batch") -> None:
        super().__init__()
        ends = [width * 2 ** (level + 1) for level in range(LEVELS)]
        starts = [channels, *ends[:-1]]
        self.encoders = nn.ModuleList(
            Level((start, end // 2, end), norm) for start, end in zip(starts, ends, strict=True)
        )
        self.decoders = nn.ModuleList(
            Level((below + end, end, end), norm, rising=below)
            for end, below in zip(ends[-2::-1], ends[:0:-1], strict=True)
        )
        self.final_conv = nn.Conv3d(ends[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment windows of a volume.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, D, H, W), sides divisible by 8.

        Returns
        -------
        logits : Tensor
            float32 (N, 15, D, H, W): background and 14 labels, before the softmax.
        """
        x = self.encoders[0](image)
        skipped = [x]
        for encoder in self.encoders[1:]:
            x = encoder(functional.max_pool3d(x, 2))
            skipped.append(x)
        for decoder, features in zip(self.decoders, skipped[-2::-1], strict=True):
            x = decoder(x, features)
        logits: Tensor = self.final_conv(x)
        return logits


def build(*, channels: int = 1, classes: int = CLASSES, width: int = WIDTH, norm: Norm = "batch") -> UNet3d:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(UNet3d, channels=channels, classes=classes, width=width, norm=norm))


RECIPE = Recipe(
    name="unet3d",
    build=build,
    inputs={"image": (1, 1, SIDE, SIDE, SIDE)},
    outputs=("logits",),
)
