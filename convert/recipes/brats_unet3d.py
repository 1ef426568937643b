"""The recipe ``brats-unet3d``: whole tumour, tumour core and enhancing tumour in four MRI sequences of a brain.

The network of Isensee et al., "Brain Tumor Segmentation and Radiomics Survival Prediction: Contribution to the BRATS
2017 Challenge", BrainLes 2017: five levels of residual context modules, from 16 features on, and on the way up a logit
at three levels, which are summed. Normalised are instances, and rectifiers leak.

It departs from theirs in these places:

- Its outputs are the three regions that overlap, each with a sigmoid, as the same group does since 2018 ("No New-Net",
  BrainLes 2018), not four classes by softmax.
- It sees windows of 80 x 80 x 80 voxels, theirs of 128 x 128 x 128. ONNX Runtime sums an instance's voxels in
  float32, one by one, and of the larger window its logits were off by 0.0003 of the largest, too far for a conversion.
- The dropout inside context modules serves training alone and is not here.

Names of the weights are its own: pykao/Modified-3D-UNet-Pytorch, the best-known code in PyTorch, uses one convolution
twice in every context module, so that its files do not fit.

At full size it has 9.5 million weights and multiplies 5.6e10 times for a window.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

SEQUENCES = 4
REGIONS = 3
SIDE = 80
WIDTH = 16
LEVELS = 5
DECIDING = 3
"""So many of the highest levels give logits."""
LEAK = 0.01


def _convolution(channels: int, width: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Normalised and rectified."""
    return nn.Sequential(
        nn.Conv3d(channels, width, kernel, stride, kernel // 2, bias=False),
        nn.InstanceNorm3d(width, affine=True),
        nn.LeakyReLU(LEAK),
    )


class Context(nn.Module):
    """A convolution, which may halve the size, and a residual block of two that come after their normalisations."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels, width, 3, stride, 1, bias=False)
        parts: list[nn.Module] = []
        for _ in range(2):
            norm = nn.InstanceNorm3d(width, affine=True)
            parts += [norm, nn.LeakyReLU(LEAK), nn.Conv3d(width, width, 3, padding=1, bias=False)]
        self.branch = nn.Sequential(*parts)
        self.last = nn.Sequential(nn.InstanceNorm3d(width, affine=True), nn.LeakyReLU(LEAK))

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, width, D / stride, H / stride, W / stride)."""
        x = self.first(x)
        features: Tensor = self.last(x + self.branch(x))
        return features


class BratsUNet3d(nn.Module):
    """Residual 3-D U-Net of five levels with a logit for each region of each voxel.

    Parameters
    ----------
    width : int
        Features of the highest level; each lower one has twice as many.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        channels = [SEQUENCES, *widths]
        self.context = nn.ModuleList(
            Context(given, own, 2 if level else 1) for level, (given, own) in enumerate(pairwise(channels))
        )
        rising = list(pairwise(reversed(widths)))
        self.rise = nn.ModuleList(_convolution(below, own) for below, own in rising)
        self.join = nn.ModuleList(_convolution(2 * own, 2 * own) for _, own in rising)
        self.halve = nn.ModuleList(_convolution(2 * own, own, kernel=1) for _, own in rising[:-1])
        self.decide = nn.ModuleList(nn.Conv3d(own, REGIONS, 1) for own in self._deciding(widths))

    @staticmethod
    def _deciding(widths: list[int]) -> list[int]:
        """Features that the logits are made of, from the lowest level up."""
        return [*widths[1:DECIDING][::-1], 2 * widths[0]]

    def forward(self, image: Tensor) -> Tensor:
        """Segment windows of a volume.

        Parameters
        ----------
        image : Tensor
            float32 (N, 4, D, H, W), sides divisible by 16: T1, T1 after contrast, T2 and FLAIR, each of mean 0 and
            deviation 1 inside the head and 0 outside.

        Returns
        -------
        logits : Tensor
            float32 (N, 3, D, H, W): log-odds of whole tumour, tumour core, enhancing tumour.
        """
        x = image
        skipped: list[Tensor] = []
        for context in self.context:
            x = context(x)
            skipped.append(x)
        x = skipped.pop()
        levels: list[Tensor] = []
        for index, (rise, join) in enumerate(zip(self.rise, self.join, strict=True)):
            x = join(torch.cat((rise(_twice(x)), skipped.pop()), 1))
            if index < len(self.halve):
                x = self.halve[index](x)
            levels.append(x)
        logits: Tensor = self.decide[0](levels[-DECIDING])
        for decide, features in zip(self.decide[1:], levels[1 - DECIDING :], strict=True):
            logits = _twice(logits) + decide(features)
        return logits


def _twice(x: Tensor) -> Tensor:
    """Every voxel repeated along each axis."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def build(*, width: int = WIDTH) -> BratsUNet3d:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(BratsUNet3d, width))


RECIPE = Recipe(
    name="brats-unet3d",
    build=build,
    inputs={"image": (1, SEQUENCES, SIDE, SIDE, SIDE)},
    outputs=("logits",),
)
