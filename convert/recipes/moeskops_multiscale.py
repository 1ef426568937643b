"""The recipe ``moeskops-multiscale``: eight tissues, pixel by pixel, in a slice of a newborn's brain MRI.

Moeskops et al., "Automatic Segmentation of MR Brain Images With a Convolutional Neural Network", IEEE Transactions on
Medical Imaging 35, 2016: three networks see patches of 25, 51 and 75 pixels around one place, each of three
convolutions with pooling and a dense layer of 256 units, and a dense layer decides from all three together.

Here the network sees a whole slice and answers for each of its pixels, exactly what it would answer to the patches
around it (Li et al., "Highly Efficient Forward and Backward Propagation of Convolutional Neural Networks for Pixelwise
Classification", 2014, arXiv:1412.4526): pooling moves by one pixel instead of two, and all that comes after it has its
taps twice as far apart. A patch's layer that drops a last odd row has no counterpart, because the row is never read.
Outside the slice there is 0, as around a brain that was cut out.

It departs from theirs in these places:

- It is trained as theirs on patches with their dropout, which is not here.
- It ends in its logits, and the pack's activation is the softmax.
- Sizes of the kernels, 5, 3 and 3 for the smallest patch, 7, 5 and 3, and 9, 7 and 5 for the largest, and their
  numbers, 24, 32 and 48, are written from knowledge of the paper; no code was published against which to check them.

It has 0.5 million weights and multiplies 3.4e10 times for a slice of 256 x 256 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

CLASSES = 9
SIDE = 256
KERNELS = {25: (5, 3, 3), 51: (7, 5, 3), 75: (9, 7, 5)}
"""By size of the patch."""
PADDING = max(KERNELS) // 2 + 1
"""One pixel more than the largest patch needs, so that a cut stands between the padding and every convolution. OpenVINO
2026.4 draws a padding into the convolution behind it, and errs in INT8 where that pads by more than its kernel."""
FEATURES = (24, 32, 48)
DENSE = 256


def places_after(patch: int, kernels: tuple[int, ...]) -> int:
    """Return how many places along an axis are left of a patch, where each pooling drops what is odd.

    Examples
    --------
    >>> [places_after(patch, kernels) for patch, kernels in KERNELS.items()]
    [1, 3, 4]
    """
    for kernel in kernels:
        patch = (patch - kernel + 1) // 2
    return patch


def largest_of_four(x: Tensor, apart: int) -> Tensor:
    """Return the largest of every 2 x 2 values that lie `apart`: dilated pooling, of operators that all engines have.

    Parameters
    ----------
    x : Tensor
        float32 (N, C, h, w).
    apart : int

    Returns
    -------
    Tensor
        float32 (N, C, h - apart, w - apart).
    """
    rows = torch.maximum(x[:, :, :-apart], x[:, :, apart:])
    return torch.maximum(rows[:, :, :, :-apart], rows[:, :, :, apart:])


class Scale(nn.Module):
    """The network of one patch size, for every pixel of a slice.

    Parameters
    ----------
    patch : int
        Odd.
    kernels : tuple of int
        Of its convolutions, each followed by pooling.
    """

    def __init__(self, patch: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        channels = (1, *FEATURES)
        self.around = patch // 2
        self.conv = nn.ModuleList(
            nn.Conv2d(given, width, kernel, dilation=2**index)
            for index, (given, width, kernel) in enumerate(zip(channels, FEATURES, kernels, strict=False))
        )
        self.dense = nn.Conv2d(FEATURES[-1], DENSE, places_after(patch, kernels), dilation=2 ** len(kernels))

    def forward(self, padded: Tensor) -> Tensor:
        """Return for each pixel the dense layer's answer to the patch around it.

        Parameters
        ----------
        padded : Tensor
            float32 (N, 1, H + 2 * PADDING, W + 2 * PADDING).

        Returns
        -------
        Tensor
            float32 (N, 256, H, W).
        """
        height, width = (size - 2 * PADDING for size in padded.shape[2:])
        cut = PADDING - self.around
        x = padded[:, :, cut : PADDING + height + self.around, cut : PADDING + width + self.around]
        for index, conv in enumerate(self.conv):
            x = functional.relu(largest_of_four(conv(x), 2**index))
        x = functional.relu(self.dense(x))
        return x[:, :, :height, :width]


class MoeskopsMultiscale(nn.Module):
    """Three scales that are joined, with a logit for each class of each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(Scale(patch, kernels) for patch, kernels in KERNELS.items())
        self.decide = nn.Conv2d(DENSE * len(KERNELS), CLASSES, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment slices.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, H, W): 0 outside the brain.

        Returns
        -------
        logits : Tensor
            float32 (N, 9, H, W): background and eight tissues, before the softmax.
        """
        padded = functional.pad(image, (PADDING, PADDING, PADDING, PADDING))
        logits: Tensor = self.decide(torch.cat([scale(padded) for scale in self.scales], 1))
        return logits


def build() -> MoeskopsMultiscale:
    """Build the network with random weights, in evaluation mode."""
    return untrained(MoeskopsMultiscale)


RECIPE = Recipe(
    name="moeskops-multiscale",
    build=build,
    inputs={"image": (1, 1, SIDE, SIDE)},
    outputs=("logits",),
)
