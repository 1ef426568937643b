"""The recipe ``vnet``: the prostate, voxel by voxel, in a T2-weighted MRI.

V-Net (Milletari et al., "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation", 3DV
2016): five stages of one to three 5 x 5 x 5 convolutions, each stage beside an identity, with strided convolutions
between them and PReLU throughout, on 128 x 128 x 64 voxels of 1 x 1 x 1.5 mm. Names of the weights are those of
mattmacy/vnet.pytorch, the best-known code in PyTorch.

It departs from the paper's in these places:

- Convolutions are normalised over the batch, as in that code.
- The identity beside a stage on the way up is that of what was joined, as in that code; the paper leaves it open.
- It ends in its logits, and the pack's activation is the softmax.

It has as many convolutions in each stage as the paper, that code fewer in four of them (those of the authors' file for
Caffe, it says) and two convolutions at the end where the paper has one: a file of its weights does not fit. At full
size it has 65.2 million weights and multiplies 5.0e11 times for a volume.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

CLASSES = 2
SHAPE = (64, 128, 128)
WIDTH = 16
KERNEL = 5
DOWN = (2, 3, 3, 3)
"""Convolutions of the stages on the way down, but the first, which has one."""
UP = (3, 3, 2, 1)
BRANCH_SCALE = 0.5


class Convolution(nn.Module):
    """A convolution, normalised and rectified."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(width, width, KERNEL, padding=KERNEL // 2, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu1 = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 of the shape of `x`."""
        features: Tensor = self.relu1(self.bn1(self.conv1(x)))
        return features


def _convolutions(width: int, count: int) -> nn.Sequential:
    parts = [Convolution(width) for _ in range(count)]
    # Branches of full size would let untrained activations grow with every stage.
    nn.init.constant_(parts[-1].bn1.weight, BRANCH_SCALE)
    return nn.Sequential(*parts)


class First(nn.Module):
    """The first stage: one convolution beside the image itself, which is added to each feature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(1, width, KERNEL, padding=KERNEL // 2, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu1 = nn.PReLU(width)

    def forward(self, image: Tensor) -> Tensor:
        """Return float32 (N, width, D, H, W)."""
        features: Tensor = self.relu1(self.bn1(self.conv1(image)) + image)
        return features


class Down(nn.Module):
    """A stage at half the size, with twice the features."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        width = 2 * channels
        self.down_conv = nn.Conv3d(channels, width, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu1, self.relu2 = nn.PReLU(width), nn.PReLU(width)
        self.ops = _convolutions(width, count)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, 2 * C, D / 2, H / 2, W / 2)."""
        down = self.relu1(self.bn1(self.down_conv(x)))
        features: Tensor = self.relu2(self.ops(down) + down)
        return features


class Up(nn.Module):
    """A stage at twice the size: half of its `width` features come from below, half from the stage beside it."""

    def __init__(self, channels: int, width: int, count: int) -> None:
        super().__init__()
        self.up_conv = nn.ConvTranspose3d(channels, width // 2, 2, 2)
        self.bn1 = nn.BatchNorm3d(width // 2)
        self.relu1, self.relu2 = nn.PReLU(width // 2), nn.PReLU(width)
        self.ops = _convolutions(width, count)

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        """Return float32 (N, width, 2 * D, 2 * H, 2 * W)."""
        joined = torch.cat((self.relu1(self.bn1(self.up_conv(x))), skipped), 1)
        features: Tensor = self.relu2(self.ops(joined) + joined)
        return features


class VNet(nn.Module):
    """V-Net with a logit for each class of each voxel.

    Parameters
    ----------
    width : int
        Features of the first stage; each one below has twice as many.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.in_tr = First(width)
        self.down_tr32, self.down_tr64, self.down_tr128, self.down_tr256 = (
            Down(width * 2**level, count) for level, count in enumerate(DOWN)
        )
        rising = [(16, 16), (16, 8), (8, 4), (4, 2)]
        self.up_tr256, self.up_tr128, self.up_tr64, self.up_tr32 = (
            Up(width * below, width * own, count) for (below, own), count in zip(rising, UP, strict=True)
        )
        self.out_tr = nn.Conv3d(2 * width, CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment volumes.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, D, H, W), sides divisible by 16: mean 0 and deviation 1.

        Returns
        -------
        logits : Tensor
            float32 (N, 2, D, H, W): background and prostate, before the softmax.
        """
        first = self.in_tr(image)
        second = self.down_tr32(first)
        third = self.down_tr64(second)
        fourth = self.down_tr128(third)
        x = self.up_tr256(self.down_tr256(fourth), fourth)
        x = self.up_tr64(self.up_tr128(x, third), second)
        logits: Tensor = self.out_tr(self.up_tr32(x, first))
        return logits


def build(*, width: int = WIDTH) -> VNet:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(VNet, width))


RECIPE = Recipe(
    name="vnet",
    build=build,
    inputs={"image": (1, 1, *SHAPE)},
    outputs=("logits",),
)
