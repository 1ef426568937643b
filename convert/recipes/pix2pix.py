"""The recipe ``pix2pix``: a synthetic T2-weighted slice of a brain from a T1-weighted one.

The generator of pix2pix (Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017):
a U-Net of eight levels down to 1 x 1, batch-normalised, which ends in tanh. The names of the weights are those of
junyanz/pytorch-CycleGAN-and-pix2pix (BSD-2-Clause). It departs from the paper in three places:

- Dropout, which the paper keeps as noise when it is used, is off: the same slice gives the same picture.
- Batch normalisation has the statistics of training, where the paper takes those of the very picture, which would tie
  a picture to those beside it in a batch. They are what is saved with published weights.
- Slices have one channel and not three; `build` takes other numbers.

It has 54.4 million weights and takes 5.9 thousand million multiplications for a slice of 256 x 256.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

LEVELS = 8
WIDTH = 64
WIDEST = 8
"""Channels grow to so many times `WIDTH`."""
LEAK = 0.2


class Level(nn.Module):
    """One level of the U-Net with all levels below it: halves the picture, goes on, and doubles it again.

    Parameters
    ----------
    channels : int
        That come in, and that the level itself gives; all levels but the outermost put these beside what came in.
    width : int
        Between halving and doubling.
    below : Level, optional
        None at the bottom.
    """

    def __init__(self, channels: int, width: int, below: Level | None) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.LeakyReLU(LEAK), nn.Conv2d(channels, width, 4, 2, 1, bias=False)]
        if below is not None:
            parts += [nn.BatchNorm2d(width), below]
        risen = width if below is None else 2 * width
        parts += [nn.ReLU(), nn.ConvTranspose2d(risen, channels, 4, 2, 1, bias=False), nn.BatchNorm2d(channels)]
        self.model = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, 2 * channels, H, W)."""
        return torch.cat((x, self.model(x)), 1)


class Outermost(nn.Module):
    """The outermost level: no normalisation, nothing beside what it gives, and tanh."""

    def __init__(self, channels: int, made: int, width: int, below: Level) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1, bias=False),
            below,
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, made, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, made, H, W)."""
        made: Tensor = self.model(x)
        return made


class Pix2Pix(nn.Module):
    """Generator of pix2pix.

    Parameters
    ----------
    channels, made : int
        Channels of the picture that comes in and of the one that is made.
    width : int
        Channels of the outermost level.
    levels : int
        How often the picture is halved.
    """

    def __init__(self, channels: int, made: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * min(WIDEST, 2**level) for level in range(levels)]
        below = Level(widths[-2], widths[-1], None)
        for level in range(levels - 2, 0, -1):
            below = Level(widths[level - 1], widths[level], below)
        self.model = Outermost(channels, made, width, below)

    def forward(self, image: Tensor) -> Tensor:
        """Translate slices.

        Parameters
        ----------
        image : Tensor
            float32 (N, channels, H, W), sides divisible by 2 to the power of `levels`: from -1 to 1.

        Returns
        -------
        synthetic : Tensor
            float32 (N, made, H, W): from -1 to 1.
        """
        synthetic: Tensor = self.model(image)
        return synthetic


def build(*, channels: int = 1, made: int = 1, width: int = WIDTH, levels: int = LEVELS) -> Pix2Pix:
    """Build the network with random weights, in evaluation mode; see `Pix2Pix` for the sizes."""
    return untrained(lambda: Pix2Pix(channels, made, width, levels))


RECIPE = Recipe(
    name="pix2pix",
    build=build,
    inputs={"image": (1, 1, 256, 256)},
    outputs=("synthetic",),
)
