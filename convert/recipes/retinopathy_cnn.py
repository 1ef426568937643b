"""The recipe ``retinopathy-cnn``: the grade of diabetic retinopathy, 0 to 4, in a fundus photograph.

A plain stack of ten 3 x 3 convolutions with normalisation, leaky rectifiers and 3 x 3 max pooling of stride 2, on
512 x 512 pixels, in the manner of Pratt et al., "Convolutional Neural Networks for Diabetic Retinopathy", Procedia
Computer Science 90, 2016. It departs from theirs in four places:

- It ends in global average pooling and one linear layer, not in dense layers on flattened features: only so is each
  logit the mean of a map (Zhou et al., CVPR 2016).
- It pools five times and no further, so that this map keeps 16 x 16 places.
- It gives four logits, each the score of that grade or a worse one (Frank and Hall, "A Simple Approach to Ordinal
  Classification", ECML 2001), not five by softmax: the grades are ordered, and a clinic decides from which one on it
  refers.
- Every convolution is normalised before its rectifier, not after it, so that the normalisation can be folded into
  the convolution and costs nothing on a device.

No weights are published for it.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.head import logits_and_maps
from convert.recipes.initial import untrained

STEPS = 4
WIDTHS = (32, 64, 128, 256, 512)
LEAK = 0.01


def _convolution(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(LEAK)]


def _block(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(channels, width), *_convolution(width, width), nn.MaxPool2d(3, 2, 1))


class RetinopathyCnn(nn.Module):
    """Convolutional stack with a logit for each step of the scale, which also returns class activation maps."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_block(*channels) for channels in pairwise((3, *WIDTHS))))
        self.head = nn.Linear(WIDTHS[-1], STEPS)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Grade colour photographs.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, 512, 512): RGB from -1 to 1.

        Returns
        -------
        logits : Tensor
            float32 (N, 4): log-odds that the grade is at least 1, 2, 3, 4.
        cam : Tensor
            float32 (N, 4, 16, 16): class activation maps; each logit is the mean of its map plus the bias.
        """
        return logits_and_maps(self.blocks(image), self.head)


def build() -> RetinopathyCnn:
    """Build the network with random weights, in evaluation mode."""
    return untrained(RetinopathyCnn)


RECIPE = Recipe(
    name="retinopathy-cnn",
    build=build,
    inputs={"image": (1, 3, 512, 512)},
    outputs=("logits", "cam"),
)
