"""The recipe ``organ-boxes``: whether each of six organs is in a CT, and the box around it.

The idea is that of de Vos et al., "ConvNet-Based Localization of Anatomical Structures in 3-D Medical Images", IEEE
Transactions on Medical Imaging 36, 2017, and Humpire-Mamani et al., "Efficient organ localization using multi-label
convolutional neural networks in thorax-abdomen CT scans", Physics in Medicine and Biology 63, 2018: whether an organ is
in a slice is asked along each axis apart, and where it begins and ends there are the edges of its box.

The network is edgerun's own. Theirs classify the slices of the whole scan one by one with networks in 2-D; this one
sees the scan once, as a small volume, in 3-D:

- Four stages of two convolutions leave features at an eighth of the size.
- Their mean over two axes is a profile along the third. From it come, for each organ, two distributions of places along
  that axis, and the means of these are the two edges, in order: the box can reach every edge of the volume, and never
  ends before it starts.
- Presence is a logit, the mean over the whole volume.

At full size it has 0.9 million weights and multiplies 1.0e10 times for a scan. No weights are published for it.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

ORGANS = 6
SHAPE = (96, 80, 80)
WIDTH = 16
STAGES = 4
SHARPNESS = 4.0
"""Untrained profiles are flat; so much steeper they still tell one scan from another."""


def _stage(channels: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, width, 3, stride, 1, bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(),
        nn.Conv3d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(),
    )


class Edges(nn.Module):
    """From a profile along one axis to two edges for each organ.

    Parameters
    ----------
    channels : int
        Features of the profile.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.places = nn.Conv1d(channels, 2 * ORGANS, 3, padding=1)
        nn.init.normal_(self.places.weight, std=SHARPNESS * channels**-0.5)

    def forward(self, profile: Tensor) -> tuple[Tensor, Tensor]:
        """Return starts and ends, float32 (N, 6), as shares of the axis, of a profile (N, channels, n)."""
        count = profile.shape[2]
        shares = torch.softmax(self.places(profile), 2)
        mean = (shares * torch.linspace(0.0, 1.0, count, device=profile.device)).sum(2)
        one, other = mean[:, :ORGANS], mean[:, ORGANS:]
        return torch.minimum(one, other), torch.maximum(one, other)


class OrganBoxes(nn.Module):
    """Network in 3-D with a presence and a box for each organ.

    Parameters
    ----------
    width : int
        Features of the first stage; each later one has twice as many.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        widths = [width * 2**index for index in range(STAGES)]
        self.features = nn.Sequential(
            *(
                _stage(given, own, 2 if index else 1)
                for index, (given, own) in enumerate(zip([1, *widths[:-1]], widths, strict=True))
            )
        )
        self.present = nn.Linear(widths[-1], ORGANS)
        self.z, self.y, self.x = Edges(widths[-1]), Edges(widths[-1]), Edges(widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """Localise organs.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, D, H, W), the whole scan: 0 to 1.

        Returns
        -------
        boxes : Tensor
            float32 (N, 6, 7): log-odds that the organ is there, then z0, y0, x0, z1, y1, x1 as shares of the volume,
            edge to edge.
        """
        features = self.features(image)
        profiles = features.mean((3, 4)), features.mean((2, 4)), features.mean((2, 3))
        edges = [axis(profile) for axis, profile in zip((self.z, self.y, self.x), profiles, strict=True)]
        starts, ends = zip(*edges, strict=True)
        return torch.stack((self.present(profiles[0].mean(2)), *starts, *ends), 2)


def build(*, width: int = WIDTH) -> OrganBoxes:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(OrganBoxes, width))


RECIPE = Recipe(
    name="organ-boxes",
    build=build,
    inputs={"image": (1, 1, *SHAPE)},
    outputs=("boxes",),
)
