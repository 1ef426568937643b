"""The recipe ``voxelmorph``: how a second scan of a brain has to be bent to lie on the first.

VoxelMorph (Balakrishnan et al., "VoxelMorph: A Learning Framework for Deformable Medical Image Registration", IEEE
Transactions on Medical Imaging 38, 2019): a U-Net sees both scans and gives the displacement of every voxel. The names
of the weights are those of voxelmorph/voxelmorph with PyTorch (Apache-2.0). It departs from the paper in two places:

- The graph ends in the displacement. The warp, and with it the integration of a velocity by scaling and squaring in
  the diffeomorphic form (Dalca et al., "Unsupervised Learning of Probabilistic Diffeomorphic Registration", Medical
  Image Analysis 57, 2019), would need GridSample in three dimensions, which TensorRT lacks; the runtime warps. Only
  weights that were trained without integration belong in here.
- It sees 80 x 96 x 80 voxels of 2 mm, where the paper had 160 x 192 x 224 of 1 mm.

Features are those of VoxelMorph-2; `build` takes those of VoxelMorph-1, `LIGHT`, as well. VoxelMorph-2 has 0.33 million
weights and takes 46 thousand million multiplications, VoxelMorph-1 0.28 million and 15.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.initial import calm, untrained

ENCODER = (16, 32, 32, 32)
DECODER = (32, 32, 32, 32, 32, 16, 16)
LIGHT = (32, 32, 32, 32, 8, 8)
LEAK = 0.2


class Convolution(nn.Module):
    """A 3 x 3 x 3 convolution and a leaky rectifier."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.main = nn.Conv3d(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, width, d, h, w)."""
        return functional.leaky_relu(self.main(x), LEAK)


class UNet3d(nn.Module):
    """U-Net with one convolution at each level, and some more where it is back at full size.

    Parameters
    ----------
    encoder : sequence of int
        Features of each level, from the finest on.
    decoder : sequence of int
        Features of each level from the coarsest on, then of the convolutions at full size.
    """

    def __init__(self, encoder: Sequence[int], decoder: Sequence[int]) -> None:
        super().__init__()
        levels = len(encoder)
        up = decoder[:levels]
        before = [encoder[-1], *(own + skipped for own, skipped in zip(up, reversed(encoder), strict=True))]
        last = [before.pop(), *decoder[levels:]]
        self.encoder = nn.ModuleList(nn.Sequential(Convolution(*pair)) for pair in pairwise((2, *encoder)))
        self.decoder = nn.ModuleList(nn.Sequential(Convolution(*pair)) for pair in zip(before, up, strict=True))
        self.remaining = nn.ModuleList(Convolution(*pair) for pair in pairwise(last))

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, last features, d, h, w) for scans (N, 2, d, h, w)."""
        skipped: list[Tensor] = []
        for convolution in self.encoder:
            x = convolution(x)
            skipped.append(x)
            x = functional.max_pool3d(x, 2)
        for convolution in self.decoder:
            x = functional.interpolate(convolution(x), scale_factor=2.0, mode="nearest")
            x = torch.cat((x, skipped.pop()), 1)
        for convolution in self.remaining:
            x = convolution(x)
        return x


class VoxelMorph(nn.Module):
    """Registration of two volumes: a U-Net and the layer that gives three displacements for each voxel."""

    def __init__(self, encoder: Sequence[int], decoder: Sequence[int]) -> None:
        super().__init__()
        self.unet_model = UNet3d(encoder, decoder)
        self.flow = nn.Conv3d(decoder[-1], 3, 3, padding=1)

    def forward(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """Register volumes.

        Parameters
        ----------
        fixed, moving : Tensor
            float32 (N, 1, d, h, w), sides divisible by 16, on one grid: from 0 to 1.

        Returns
        -------
        displacement : Tensor
            float32 (N, 3, d, h, w): for each voxel of `fixed`, how many voxels further along z, y and x its place in
            `moving` lies.
        """
        displacement: Tensor = self.flow(self.unet_model(torch.cat((moving, fixed), 1)))
        return displacement


def build(*, encoder: Sequence[int] = ENCODER, decoder: Sequence[int] = DECODER) -> VoxelMorph:
    """Build the network with random weights, in evaluation mode; see `UNet3d` for the features."""
    network = untrained(lambda: VoxelMorph(encoder, decoder))
    calm(network.flow)
    return network


RECIPE = Recipe(
    name="voxelmorph",
    build=build,
    inputs={"fixed": (1, 1, 80, 96, 80), "moving": (1, 1, 80, 96, 80)},
    outputs=("displacement",),
)
