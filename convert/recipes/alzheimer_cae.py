"""The recipe ``alzheimer-cae``: normal, mild cognitive impairment or Alzheimer's disease in a T1-weighted brain MRI.

The adapted convolutional autoencoder of Hosseini-Asl et al., "Alzheimer's disease diagnostics by adaptation of 3D
convolutional network", ICIP 2016: the encoders of three stacked autoencoders, trained to give back what they saw, each
a 3 x 3 x 3 convolution of 8 features and pooling, and dense layers of 2000 and 500 units that are trained to classify.
Sizes are those of its published code (ehosseiniasl/3d-convolutional-network, in Theano, with no weights); the decoders
serve training alone and are not here.

It departs from theirs in one place: it sees 110 x 110 x 110 voxels. Of the 200 x 150 x 150 that were published, the
first dense layer alone would take 425 MB.

It gives no class activation map: dense layers with rectifiers stand between the last features and the logits.
At full size it has 28.7 million weights and multiplies 5.7e8 times for a scan.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import untrained

GROUPS = 3
SIDE = 110
FEATURES = 8
ENCODERS = 3
DENSE = (2000, 500)


def side_after(side: int) -> int:
    """Return how many places along an axis are left of `side` voxels.

    Examples
    --------
    >>> side_after(110)
    12
    """
    for _ in range(ENCODERS):
        side = (side - 2) // 2
    return side


class AlzheimerCae(nn.Module):
    """Three encoders and three dense layers with three logits.

    Parameters
    ----------
    side : int
        Voxels along each axis, at least 22.
    """

    def __init__(self, side: int = SIDE) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for index in range(ENCODERS):
            parts += [nn.Conv3d(FEATURES if index else 1, FEATURES, 3), nn.ReLU(), nn.MaxPool3d(2)]
        self.encoders = nn.Sequential(*parts)
        first, second = DENSE
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(FEATURES * side_after(side) ** 3, first),
            nn.ReLU(),
            nn.Linear(first, second),
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
        logits: Tensor = self.classifier(self.encoders(image))
        return logits


def build(*, side: int = SIDE) -> AlzheimerCae:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(AlzheimerCae, side))


RECIPE = Recipe(
    name="alzheimer-cae",
    build=build,
    inputs={"image": (1, 1, SIDE, SIDE, SIDE)},
    outputs=("logits",),
)
