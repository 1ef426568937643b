"""The recipe ``yolo-anchor-free``: lesions in a slice of CT, each with a box, without anchors.

Our own small detector in the layout of YOLOv5's successors, (N, 4 + labels, boxes), and the network of none of them:

- Backbone and neck are those of `convert.recipes.yolov5` at size n.
- The head is decoupled as in Ge et al., "YOLOX", 2021: boxes and labels have two 3 x 3 convolutions each, of their own,
  at each of three scales. There is no objectness.
- A cell draws one box, by the distances from its middle to the four sides, as in Tian et al., "FCOS", ICCV 2019. Each
  distance is the mean of a distribution over 0 to 15 cells, as in Li et al., "Generalized Focal Loss", NeurIPS 2020.

No weights are published for it. It has 2.5 million weights and takes 3.5 thousand million multiplications.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convert.recipes.contract import Recipe
from convert.recipes.initial import calm, untrained
from convert.recipes.yolov5 import PRIOR, STRIDES, Convolution, PathAggregation, cells

LABELS = 8
BINS = 16
SIDES = 4


class DistanceHead(nn.Module):
    """From the features of one scale to a box and a score for each label in every cell."""

    distances: Tensor
    halves: Tensor

    def __init__(self, channels: int, width: int, labels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.box = _branch(channels, width, SIDES * BINS)
        self.label = _branch(channels, width, labels)
        nn.init.constant_(self.label[-1].get_parameter("bias"), math.log(PRIOR / (1 - PRIOR)))
        self.register_buffer("distances", torch.arange(float(BINS))[:, None, None] * stride, persistent=False)
        self.register_buffer("halves", torch.tensor([-0.5, 0.5])[:, None, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, 4 + labels, h * w).

        Distances are summed within one tensor: of two tensors the sum would be quantised to int8, and pixels with it.
        """
        left_up_right_down = self.box(x).unflatten(1, (2, 2, BINS)).softmax(3)
        reached = (left_up_right_down * self.distances).sum(3)
        middles = (cells(x).permute(2, 0, 1) + 0.5) * self.stride
        centres = (reached * self.halves).sum(1) + middles
        sides = reached.sum(1)
        return torch.cat((centres, sides, self.label(x).sigmoid()), 1).flatten(2)


def _branch(channels: int, width: int, values: int) -> nn.Sequential:
    return nn.Sequential(Convolution(channels, width, 3), Convolution(width, width, 3), nn.Conv2d(width, values, 1))


class YoloAnchorFree(PathAggregation):
    """Detector with decoupled heads and no anchors.

    Parameters
    ----------
    depth, width : float
        As in `PathAggregation`.
    labels : int
    """

    def __init__(self, depth: float, width: float, labels: int) -> None:
        super().__init__(depth, width)
        narrow = self.channels[0]
        self.heads = nn.ModuleList(
            DistanceHead(channels, narrow, labels, stride)
            for channels, stride in zip(self.channels, STRIDES, strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Detect lesions.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, H, W), sides divisible by 32: from 0 to 1.

        Returns
        -------
        detections : Tensor
            float32 (N, 4 + labels, 21 * H * W / 1024), 8400 boxes at 640 x 640: rows of centre x, centre y, width and
            height in pixels of the picture, then one of scores for each label, 0 to 1.
        """
        maps: Sequence[Tensor] = self.features(image)
        return torch.cat([head(x) for head, x in zip(self.heads, maps, strict=True)], 2)


def build(*, depth: float = 0.33, width: float = 0.25, labels: int = LABELS) -> YoloAnchorFree:
    """Build the network with random weights, in evaluation mode; `depth` and `width` are multiples."""
    network = untrained(lambda: YoloAnchorFree(depth, width, labels))
    for head in network.heads:
        calm(*(head.get_submodule(f"{branch}.2") for branch in ("box", "label")))
    return network


RECIPE = Recipe(
    name="yolo-anchor-free",
    build=build,
    inputs={"image": (1, 3, 640, 640)},
    outputs=("detections",),
)
