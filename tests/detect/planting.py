"""Scans with bright squares or cubes at known voxels, and the nets that find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detect.layouts import Candidates, anchor_free
from edge.detect.planted import DETECTIONS, IMAGE, anchor_free_net, painted
from edge.detect.suppress import suppress
from edge.engines import open_engine
from edge.geometry import Grid
from edge.prepare import Feed, prepare
from edge.scan import Scan
from edge.testing import phantom_scan, tiny_input, tiny_manifest

Array = NDArray[Any]
Box = tuple[int, ...]


def planted_scan(shape: tuple[int, int, int], boxes: Sequence[Box], grid: Grid | None = None) -> Scan:
    """A black scan with white boxes (z0, y0, x0, z1, y1, x1); a picture or frames where no grid is given."""
    scan = phantom_scan(shape)
    volume = scan if grid is None else replace(scan, grid=grid, stack="volume")
    return replace(volume, voxels=painted(shape, boxes), value_range=(0.0, 255.0))


def fed(scan: Scan, size: int, *steps: Mapping[str, object]) -> Feed:
    """What a net of `size` x `size` is fed after these steps, 0 to 1."""
    manifest = tiny_manifest(inputs=(tiny_input(size=size, steps=[{"step": "voi_window"}, *steps]),))
    (feed,) = prepare({"image": scan}, manifest)
    return feed


def run(net: bytes, image: Array, engine: str = "onnxruntime") -> dict[str, Array]:
    """What a net gives for an image (y, x) or (z, y, x), 0 to 1."""
    opened = open_engine(engine, net, precision="fp32", threads=1)
    try:
        return dict(opened.infer({IMAGE: np.ascontiguousarray(image[np.newaxis, np.newaxis], np.float32)}))
    finally:
        opened.close()


@lru_cache
def net_of(size: int, sides: tuple[int, ...]) -> bytes:
    return anchor_free_net((size, size), sides)


def found(feed: Feed, *sides: int, least: float = 0.5) -> Candidates:
    """The squares of these sides that are found in what is fed."""
    image = feed.tensors["image"][0, 0]
    outputs = run(net_of(len(image), sides), image)
    return suppress(anchor_free(outputs, DETECTIONS, [least] * len(sides)), overlap=0.3, most=100)


def extent(mask: Array) -> tuple[float, ...]:
    """The edges of the box around all that is not zero."""
    places = np.nonzero(mask)
    return tuple(float(axis.min()) for axis in places) + tuple(float(axis.max()) + 1 for axis in places)
