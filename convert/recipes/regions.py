"""Boxes and what lies in them, with plain operators of fixed sizes: anchors, decoding, suppression, RoIAlign.

Coordinates are never summed here but subtracted, and never joined twice in a row: the inputs of sums, and of joins that
another join reads, are quantised to int8, and pixels would be with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

RATIOS = (0.5, 1.0, 2.0)
"""Height by width of the anchors of one size."""
LARGEST_CHANGE = math.log(1000 / 16)
"""Of the logarithm of a side."""
LEAST_SIDE = 1e-3
"""Of a box that is not empty, in pixels."""
SAMPLES = 2
"""Along each axis of a cell of a region."""
NOWHERE = -2.0
"""A place that no pixel is near; the samples of a box of less than a pixel may lie beyond the last one."""
CANONICAL = 224
"""Regions of this side belong to the level of stride 16 (Lin et al., "Feature Pyramid Networks", CVPR 2017, eq. 1)."""


def anchors(shape: Sequence[int], size: int, stride: int) -> Tensor:
    """Return the anchors of one level, float32 (h * w * 3, 4): x0, y0, x1, y1 in pixels, by row, column and ratio.

    As Detectron and torchvision have them: around the upper left corner of each cell, in whole pixels.

    Parameters
    ----------
    shape : sequence of int
        Rows and columns of the level.
    size : int
        Side of the square anchor, in pixels; the others have its area.
    stride : int
    """
    roots = torch.tensor(RATIOS).sqrt()
    halves = torch.stack((size / roots, size * roots), -1) / 2
    around = torch.cat((-halves, halves), -1).round()
    rows, columns = torch.meshgrid(*(torch.arange(float(n)) * stride for n in shape), indexing="ij")
    corners = torch.stack((columns, rows, columns, rows), -1)
    return (corners[:, :, None] + around).reshape(-1, 4)


def decoded(boxes: Tensor, changes: Tensor, weights: Sequence[float], shape: Sequence[int]) -> Tensor:
    """Return boxes moved and stretched, and cut at the picture's edges (Girshick et al., R-CNN, 2014, appendix C).

    Parameters
    ----------
    boxes : Tensor
        float32 (..., 4): x0, y0, x1, y1.
    changes : Tensor
        float32 (..., 4): of the centre as shares of the sides, x, y; of the logarithms of the sides, x, y.
    weights : sequence of float
        By what the four changes are divided.
    shape : sequence of int
        Rows and columns of the picture.
    """
    scaled = changes / changes.new_tensor(weights)
    starts, ends = boxes[..., :2], boxes[..., 2:]
    sides = ends - starts
    halves = scaled[..., 2:].clamp(max=LARGEST_CHANGE).exp() * 0.5
    middles = ends - sides * 0.5
    first = middles - sides * (halves - scaled[..., :2])
    last = middles - sides * (-halves - scaled[..., :2])
    edges = changes.new_tensor([shape[1], shape[0]] * 2)
    return torch.minimum(torch.cat((first, last), -1).clamp(min=0.0), edges)


def covered(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """Return 1 where a box overlaps a surer one or is empty, else 0.

    This is Fast NMS (Bolya et al., "YOLACT", ICCV 2019, section 4.2): it drops a little more than greedy suppression,
    as a box that is itself dropped still drops others.

    Parameters
    ----------
    boxes : Tensor
        float32 (..., n, 4).
    scores : Tensor
        float32 (..., n).
    overlap : float
        Intersection over union, above which a box is covered.

    Returns
    -------
    Tensor
        float32 (..., n).
    """
    one, other = boxes[..., :, None, :], boxes[..., None, :, :]
    common = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0.0)
    shared = common[..., 0] * common[..., 1]
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    union = areas[..., :, None] - (shared - areas[..., None, :])
    surer = scores[..., None, :] > scores[..., :, None]
    drops = torch.logical_and(shared > union * overlap, surer).to(boxes.dtype).amax(-1)
    return torch.maximum(drops, (areas < LEAST_SIDE**2).to(boxes.dtype))


def taken(values: Tensor, indices: Tensor) -> Tensor:
    """Return the rows of float32 (N or 1, n, 4) that int64 (N, k) names, float32 (N, k, 4)."""
    rows = values.expand(indices.shape[0], -1, -1)
    return rows.gather(1, indices[..., None].expand(-1, -1, values.shape[-1]))


def pooled(maps: Sequence[Tensor], strides: Sequence[int], boxes: Tensor, cells: int) -> Tensor:
    """Return what lies in each box: RoIAlign (He et al., "Mask R-CNN", ICCV 2017) on the level that fits its size.

    Bilinear sampling on a grid is linear along each axis, so that it is two matrix products, with neither Gather nor
    the operator RoiAlign, which not every engine has. Two samples along each axis of a cell, coordinates not shifted by
    half a pixel, as torchvision and its published weights have it. Every level is sampled for every box, and zero where
    the box belongs to another.

    Parameters
    ----------
    maps : sequence of Tensor
        float32 (N, C, h, w), by level.
    strides : sequence of int
        Their own.
    boxes : Tensor
        float32 (N, n, 4): x0, y0, x1, y1 in pixels, within the picture.
    cells : int
        Along each axis.

    Returns
    -------
    Tensor
        float32 (N * n, C, cells, cells).
    """
    parts = [
        _sampled(x, boxes / stride, cells, inside)
        for x, stride, inside in zip(maps, strides, _belonging(boxes, strides), strict=True)
    ]
    return torch.stack(parts).sum(0).flatten(0, 1)


def _belonging(boxes: Tensor, strides: Sequence[int]) -> list[Tensor]:
    """For each level 1 where a box belongs to it, float32 (N, n)."""
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    reached = [(area >= (CANONICAL * stride / 16) ** 2).to(boxes.dtype) for stride in strides[1:]]
    at_least = [torch.ones_like(area), *reached, torch.zeros_like(area)]
    return [here - beyond for here, beyond in pairwise(at_least)]


def _sampled(x: Tensor, boxes: Tensor, cells: int, inside: Tensor) -> Tensor:
    """float32 (N, n, C, cells, cells) of one level, whose own pixels `boxes` are in."""
    channels, rows, columns = x.shape[1:]
    count = boxes.shape[1]
    places = _places(boxes, (columns, rows), cells)
    across = _weights(places[:, :, 0], columns, cells).flatten(1, 2)
    down = _weights(places[:, :, 1], rows, cells) * inside[..., None, None]
    strips = torch.matmul(x.flatten(1, 2), across.transpose(1, 2))
    strips = strips.reshape(-1, channels, rows, count, cells).permute(0, 3, 2, 1, 4)
    found = torch.matmul(down, strips.flatten(3, 4))
    return found.reshape(-1, count, cells, channels, cells).permute(0, 1, 3, 2, 4)


def _places(boxes: Tensor, sizes: tuple[int, int], cells: int) -> Tensor:
    """Where along x and y the samples of a box lie, float32 (N, n, 2, cells * SAMPLES); `NOWHERE` beyond the map."""
    backwards = (torch.arange(float(cells * SAMPLES)) + 0.5) / (-cells * SAMPLES)
    starts = boxes[..., :2]
    lengths = (boxes[..., 2:] - starts).clamp(min=1.0)
    places = starts[..., None] - lengths[..., None] * backwards
    limits = places.new_tensor(sizes)[:, None]
    return torch.where(places > limits, NOWHERE, torch.minimum(places, limits - 1.0))


def _weights(places: Tensor, size: int, cells: int) -> Tensor:
    """By how much each of `size` pixels counts in each cell, float32 (N, n, cells, size)."""
    hats = (1.0 - (places[..., None] - torch.arange(float(size))).abs()).clamp(min=0.0)
    return hats.reshape(-1, hats.shape[1], cells, SAMPLES, size).mean(3)
