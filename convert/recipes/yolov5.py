"""The network of the recipes ``yolov5n`` and ``yolov5s``: boxes around findings, by three anchors at three scales.

YOLOv5 (Jocher, 2020) in the layout of its release 6.0, for which there is no paper: written from what is public of the
layout (sizes of the layers, their order and numbers, anchors, decoding), with none of its code, which is under
AGPL-3.0, as are the weights published for it. Its parts have papers: CSP blocks (Wang et al., "CSPNet", CVPRW 2020),
spatial pyramid pooling (He et al., ECCV 2014), path aggregation (Liu et al., "Path Aggregation Network for Instance
Segmentation", CVPR 2018), anchors (Redmon and Farhadi, "YOLO9000", CVPR 2017).

The names of the weights carry the numbers of the published layers, and anchors are kept among them in units of cells,
so that what a user has trained in this layout can be put in. Boxes are decoded inside the graph; what overlaps is left
to the runtime.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.recipes.initial import calm, untrained

WIDTHS = (64, 128, 256, 512, 1024)
STRIDES = (8, 16, 32)
ANCHORS = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
"""Width and height in pixels, by stride."""
BOX = 5
"""Values of a box before its labels: centre x, centre y, width, height, objectness."""
EPSILON = 1e-3
PRIOR = 0.01
"""Scores to begin with, lest every cell begin as a find (Lin et al., "Focal Loss", ICCV 2017, section 4.1)."""


class Convolution(nn.Module):
    """Convolution, normalisation, SiLU."""

    def __init__(self, channels: int, width: int, kernel: int = 1, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        around = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(channels, width, kernel, stride, around, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, width, H / stride, W / stride)."""
        return functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """A 1 x 1 and a 3 x 3 convolution, with or without a shortcut around them."""

    def __init__(self, width: int, *, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Convolution(width, width)
        self.cv2 = Convolution(width, width, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 of the shape of `x`."""
        branch: Tensor = self.cv2(self.cv1(x))
        return x + branch if self.shortcut else branch


class CspBlock(nn.Module):
    """Cross-stage partial block: half of the channels go through bottlenecks, half around them."""

    def __init__(self, channels: int, width: int, repeats: int, *, shortcut: bool = True) -> None:
        super().__init__()
        half = width // 2
        self.cv1 = Convolution(channels, half)
        self.cv2 = Convolution(channels, half)
        self.cv3 = Convolution(2 * half, width)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut=shortcut) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 (N, width, H, W)."""
        joined: Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))
        return joined


class PyramidPooling(nn.Module):
    """Spatial pyramid pooling: one 5 x 5 maximum applied up to three times, which sees 5, 9 and 13 cells."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1 = Convolution(width, width // 2)
        self.cv2 = Convolution(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 of the shape of `x`."""
        seen = [self.cv1(x)]
        for _ in range(3):
            seen.append(functional.max_pool2d(seen[-1], 5, 1, 2))
        joined: Tensor = self.cv2(torch.cat(seen, 1))
        return joined


class PathAggregation(nn.Module):
    """Backbone and neck: from a picture to features at strides 8, 16 and 32, whose channels are in `channels`.

    Parameters
    ----------
    depth, width : float
        By what the repeats of the blocks and the channels of the layers are multiplied.
    """

    def __init__(self, depth: float, width: float) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (8 * math.ceil(channels * width / 8) for channels in WIDTHS)
        n3, n6, n9 = (max(1, round(repeats * depth)) for repeats in (3, 6, 9))
        layers: dict[int, nn.Module] = {
            0: Convolution(3, c1, 6, 2, 2),
            1: Convolution(c1, c2, 3, 2),
            2: CspBlock(c2, c2, n3),
            3: Convolution(c2, c3, 3, 2),
            4: CspBlock(c3, c3, n6),
            5: Convolution(c3, c4, 3, 2),
            6: CspBlock(c4, c4, n9),
            7: Convolution(c4, c5, 3, 2),
            8: CspBlock(c5, c5, n3),
            9: PyramidPooling(c5),
            10: Convolution(c5, c4),
            13: CspBlock(2 * c4, c4, n3, shortcut=False),
            14: Convolution(c4, c3),
            17: CspBlock(2 * c3, c3, n3, shortcut=False),
            18: Convolution(c3, c3, 3, 2),
            20: CspBlock(2 * c3, c4, n3, shortcut=False),
            21: Convolution(c4, c4, 3, 2),
            23: CspBlock(2 * c4, c5, n3, shortcut=False),
        }
        self.model = nn.ModuleDict({str(number): layer for number, layer in layers.items()})
        self.channels = (c3, c4, c5)

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return float32 maps (N, channels, H / stride, W / stride) for the strides 8, 16, 32."""
        fine = self._through(image, range(5))
        middle = self._through(fine, range(5, 7))
        coarse = self._through(middle, range(7, 11))
        lifted = self._through(_beside(_doubled(coarse), middle), (13, 14))
        small = self._through(_beside(_doubled(lifted), fine), (17,))
        medium = self._through(_beside(self._through(small, (18,)), lifted), (20,))
        large = self._through(_beside(self._through(medium, (21,)), coarse), (23,))
        return small, medium, large

    def _through(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        for number in numbers:
            x = self.model[str(number)](x)
        return x


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _beside(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat((first, second), 1)


def cells(x: Tensor) -> Tensor:
    """Return the column and row of every cell of a map, float32 (h, w, 2).

    Examples
    --------
    >>> cells(torch.zeros(1, 8, 1, 2)).tolist()
    [[[0.0, 0.0], [1.0, 0.0]]]
    """
    rows, columns = torch.meshgrid(*(torch.arange(float(size)) for size in x.shape[-2:]), indexing="ij")
    return torch.stack((columns, rows), -1)


class AnchorHead(nn.Module):
    """From features to boxes: each cell has one for each anchor."""

    anchors: Tensor

    def __init__(self, channels: Sequence[int], labels: int) -> None:
        super().__init__()
        self.values = BOX + labels
        count = len(ANCHORS[0])
        convolutions = [nn.Conv2d(given, count * self.values, 1) for given in channels]
        self.m = nn.ModuleList(convolutions)
        in_pixels = torch.tensor(ANCHORS, dtype=torch.float32)
        self.register_buffer("anchors", in_pixels / torch.tensor(STRIDES, dtype=torch.float32)[:, None, None])
        prior = torch.full((self.values,), math.log(PRIOR / (1 - PRIOR)))
        prior[: BOX - 1] = 0.0
        for convolution in convolutions:
            convolution.bias = nn.Parameter(prior.repeat(count))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return float32 (N, boxes, 5 + labels): by stride, anchor, row and column."""
        return torch.cat([self._decoded(level, x) for level, x in enumerate(maps)], 1)

    def _decoded(self, level: int, x: Tensor) -> Tensor:
        """A centre reaches half a cell beyond its own, a side up to four times its anchor."""
        anchors, stride = self.anchors[level], STRIDES[level]
        raw = self.m[level](x).unflatten(1, (len(anchors), self.values))
        shares = raw.permute(0, 1, 3, 4, 2).sigmoid()
        centres = (shares[..., :2] * 2 + (cells(x) - 0.5)) * stride
        doubled = shares[..., 2:4] * 2
        sides = doubled * doubled * (anchors[:, None, None] * stride)
        return torch.cat((centres, sides, shares[..., 4:]), -1).flatten(1, 3)


class Yolov5(PathAggregation):
    """Detector in the layout of YOLOv5.

    Parameters
    ----------
    depth, width : float
        As in `PathAggregation`: 0.33 and 0.25 is size n, 0.33 and 0.5 is s.
    labels : int
    """

    def __init__(self, depth: float, width: float, labels: int) -> None:
        super().__init__(depth, width)
        self.model["24"] = AnchorHead(self.channels, labels)

    def forward(self, image: Tensor) -> Tensor:
        """Detect findings.

        Parameters
        ----------
        image : Tensor
            float32 (N, 3, H, W), sides divisible by 32: from 0 to 1.

        Returns
        -------
        detections : Tensor
            float32 (N, 63 * H * W / 1024, 5 + labels), 25200 boxes at 640 x 640: centre x, centre y, width, height in
            pixels of the picture, then objectness and, given that, a probability for each label, 0 to 1.
        """
        found: Tensor = self.model["24"](self.features(image))
        return found


def untrained_yolov5(depth: float, width: float, labels: int) -> Yolov5:
    """Return a `Yolov5` with random weights, in evaluation mode."""
    network = untrained(lambda: Yolov5(depth, width, labels))
    calm(*network.get_submodule("model.24.m").children())
    return network
