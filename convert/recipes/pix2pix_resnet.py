"""The recipe ``pix2pix-resnet``: a synthetic T2-weighted slice of a brain from a T1-weighted one, by residual blocks.

The generator of Johnson et al. ("Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016) as
CycleGAN has it (Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV
2017, appendix 7.2): two convolutions that halve the picture, nine residual blocks, two that double it, each normalised
over its own picture (Ulyanov et al., "Instance Normalization", 2016), and tanh. The names of the weights are those of
junyanz/pytorch-CycleGAN-and-pix2pix (BSD-2-Clause), trained with dropout in the blocks or without; it is off here. It
departs from the paper in one place: slices have one channel and not three; `build` takes other numbers.

It has 11.4 million weights and takes 49 thousand million multiplications for a slice of 256 x 256.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

WIDTH = 64
BLOCKS = 9


def rename(name: str) -> str:
    """Return the recipe's name of a published weight: with dropout, the second convolution of a block is one further.

    Examples
    --------
    >>> rename("model.12.conv_block.6.bias")
    'model.12.conv_block.5.bias'
    """
    return re.sub(r"\.conv_block\.6\.(weight|bias)$", r".conv_block.5.\1", name)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, padded by what the picture's edge mirrors, around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 of the shape of `x`."""
        branch: Tensor = self.conv_block(x)
        return x + branch


def _normalised(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(width), nn.ReLU()]


class Pix2PixResNet(nn.Module):
    """Generator of residual blocks.

    Parameters
    ----------
    channels, made : int
        Channels of the picture that comes in and of the one that is made.
    width : int
        Channels at full size.
    blocks : int
    """

    def __init__(self, channels: int, made: int, width: int, blocks: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normalised(nn.Conv2d(channels, width, 7), width),
            *_normalised(nn.Conv2d(width, 2 * width, 3, 2, 1), 2 * width),
            *_normalised(nn.Conv2d(2 * width, 4 * width, 3, 2, 1), 4 * width),
            *(ResidualBlock(4 * width) for _ in range(blocks)),
            *_normalised(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1), 2 * width),
            *_normalised(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, made, 7),
            nn.Tanh(),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Translate slices.

        Parameters
        ----------
        image : Tensor
            float32 (N, channels, H, W), sides divisible by 4: from -1 to 1.

        Returns
        -------
        synthetic : Tensor
            float32 (N, made, H, W): from -1 to 1.
        """
        synthetic: Tensor = self.model(image)
        return synthetic


def build(*, channels: int = 1, made: int = 1, width: int = WIDTH, blocks: int = BLOCKS) -> Pix2PixResNet:
    """Build the network with random weights, in evaluation mode; see `Pix2PixResNet` for the sizes."""
    return untrained(lambda: Pix2PixResNet(channels, made, width, blocks))


RECIPE = Recipe(
    name="pix2pix-resnet",
    build=build,
    inputs={"image": (1, 1, 256, 256)},
    outputs=("synthetic",),
    rename=rename,
)
