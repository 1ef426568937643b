"""The recipe ``alzheimer-voxcnn``: normal, mild cognitive impairment or Alzheimer's disease in a T1-weighted brain MRI.

VoxCNN, the plain network of Korolev et al., "Residual and plain convolutional neural networks for 3D brain MRI
classification", ISBI 2017: ten 3 x 3 x 3 convolutions in four blocks, each block ending in pooling, and three dense
layers. As in its published code (neuro-ml/resnet_cnn_mri_adni, in Lasagne, with no weights for it) the convolutions
are not padded, so that 110 x 110 x 110 voxels end in a single place of 64 features.

It departs from theirs in one place: it tells three groups apart at once; theirs was trained for pairs of groups.

It gives no class activation map: one place is left, and dense layers with rectifiers stand between it and the logits.
At full size it has 0.4 million weights and multiplies 4.2e9 times for a scan.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

GROUPS = 3
SIDE = 110
WIDTHS = (8, 16, 32, 64)
LAYERS = (2, 2, 3, 3)
DENSE = (128, 64)


def _block(channels: int, width: int, layers: int) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for index in range(layers):
        parts += [nn.Conv3d(channels if index == 0 else width, width, 3), nn.ReLU()]
    return [*parts, nn.MaxPool3d(2)]


def side_after(side: int) -> int:
    """Return how many places along an axis are left of `side` voxels.

    Examples
    --------
    >>> side_after(110)
    1
    """
    for layers in LAYERS:
        side = (side - 2 * layers) // 2
    return side


class AlzheimerVoxCnn(nn.Module):
    """VoxCNN with three logits.

    Parameters
    ----------
    side : int
        Voxels along each axis, at least 100.
    """

    def __init__(self, side: int = SIDE) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for channels, width, layers in zip((1, *WIDTHS), WIDTHS, LAYERS, strict=False):
            parts += _block(channels, width, layers)
        self.features = nn.Sequential(*parts)
        first, second = DENSE
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * side_after(side) ** 3, first),
            nn.ReLU(),
            nn.BatchNorm1d(first),
            nn.Linear(first, second),  # where 70% are dropped in training
            nn.ReLU(),
            nn.Linear(second, GROUPS),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Classify volumes.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, 110, 110, 110): 0 to 1.

        Returns
        -------
        logits : Tensor
            float32 (N, 3): normal, mild cognitive impairment, Alzheimer's disease, before the softmax.
        """
        logits: Tensor = self.classifier(self.features(image))
        return logits


def build(*, side: int = SIDE) -> AlzheimerVoxCnn:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(AlzheimerVoxCnn, side))


RECIPE = Recipe(
    name="alzheimer-voxcnn",
    build=build,
    inputs={"image": (1, 1, SIDE, SIDE, SIDE)},
    outputs=("logits",),
)
