"""The recipe ``alzheimer-cnn3d``: normal, mild cognitive impairment or Alzheimer's disease in a T1-weighted brain MRI.

The residual network of Korolev et al., "Residual and plain convolutional neural networks for 3D brain MRI
classification", ISBI 2017: six residual blocks of two 3 x 3 x 3 convolutions, normalised before they are rectified, on
110 x 110 x 110 voxels (after VoxResNet of Chen et al., NeuroImage 170, 2018). Layers are numbered as in its published
code, neuro-ml/resnet_cnn_mri_adni, whose weights are a pickle of Lasagne and cannot be read without running it.

It departs from theirs in two places:

- It ends in global average pooling and one linear layer, not in a largest value of every 7 x 7 x 7 places and 128
  hidden units: only so is each logit the mean of a map (Zhou et al., CVPR 2016).
- It tells three groups apart at once; theirs was trained for pairs of groups.

At full size it has 3.1 million weights and multiplies 1.4e11 times for a scan.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.contract import Recipe
from convert.recipes.head import logits_and_maps
from convert.recipes.initial import untrained

GROUPS = 3
SIDE = 110
WIDTH = 32
BRANCH_SCALE = 0.5


class VoxRes(nn.Module):
    """Residual block of VoxResNet: normalisation, rectifier and convolution, twice, beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm3d(width)
        self.conv1 = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        # Branches of full size would let untrained activations grow with every block.
        nn.init.constant_(self.bn2.weight, BRANCH_SCALE)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 of the shape of `x`."""
        branch: Tensor = self.conv1(functional.relu(self.bn1(x)))
        branch = self.conv2(functional.relu(self.bn2(branch)))
        return x + branch


class AlzheimerCnn3d(nn.Module):
    """Residual network in 3-D with three logits, which also returns their class activation maps.

    Parameters
    ----------
    width : int
        Features of the first two layers; later ones have 2 and 4 times as many.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.conv1a = nn.Conv3d(1, width, 3, padding=1, bias=False)
        self.bn1a = nn.BatchNorm3d(width)
        self.conv1b = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.bn1b = nn.BatchNorm3d(width)
        self.conv1c = nn.Conv3d(width, 2 * width, 3, 2, 1)
        self.voxres2, self.voxres3 = VoxRes(2 * width), VoxRes(2 * width)
        self.bn4 = nn.BatchNorm3d(2 * width)
        self.conv4 = nn.Conv3d(2 * width, 2 * width, 3, 2, 1)
        self.voxres5, self.voxres6 = VoxRes(2 * width), VoxRes(2 * width)
        self.bn7 = nn.BatchNorm3d(2 * width)
        self.conv7 = nn.Conv3d(2 * width, 4 * width, 3, 2, 1)
        self.voxres8, self.voxres9 = VoxRes(4 * width), VoxRes(4 * width)
        self.prob = nn.Linear(4 * width, GROUPS)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Classify volumes.

        Parameters
        ----------
        image : Tensor
            float32 (N, 1, 110, 110, 110), any larger or smaller cube as well: 0 to 1.

        Returns
        -------
        logits : Tensor
            float32 (N, 3): normal, mild cognitive impairment, Alzheimer's disease, before the softmax.
        cam : Tensor
            float32 (N, 3, 14, 14, 14): class activation maps; each logit is the mean of its map plus the bias.
        """
        x = functional.relu(self.bn1a(self.conv1a(image)))
        x = self.conv1c(functional.relu(self.bn1b(self.conv1b(x))))
        x = self.voxres3(self.voxres2(x))
        x = self.conv4(functional.relu(self.bn4(x)))
        x = self.voxres6(self.voxres5(x))
        x = self.conv7(functional.relu(self.bn7(x)))
        x = self.voxres9(self.voxres8(x))
        return logits_and_maps(x, self.prob)


def build(*, width: int = WIDTH) -> AlzheimerCnn3d:
    """Build the network with random weights, in evaluation mode."""
    return untrained(partial(AlzheimerCnn3d, width))


RECIPE = Recipe(
    name="alzheimer-cnn3d",
    build=build,
    inputs={"image": (1, 1, SIDE, SIDE, SIDE)},
    outputs=("logits", "cam"),
)
