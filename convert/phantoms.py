"""Scans that are none: what an untrained pack is fed where there is no scan to feed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from convert.measure import Feed
from edge.geometry import Grid
from edge.pack.manifest import Input, Manifest
from edge.prepare import prepare
from edge.scan import Scan
from edge.testing import phantom_scan

COUNT = 8
COARSE = 16
"""Points of noise along an axis, made smooth by enlarging."""
LARGEST = 512
MOST_WINDOWS = 4
"""Of one volume: enough to show ranges."""


def phantom_feeds(manifest: Manifest) -> Iterator[Feed]:
    """Yield what the model is fed for seeded smooth noise: it shows ranges and speed, never accuracy.

    Pictures are 512 x 512 of 8 bits; volumes a little larger than the model's input, of 12 bits with a spacing of 1 mm;
    CT is in HU.
    """
    for seed in range(COUNT):
        scans = {
            item.name: phantom_of(item, seed * len(manifest.inputs) + number)
            for number, item in enumerate(manifest.inputs)
        }
        for feed in islice(prepare(scans, manifest), MOST_WINDOWS):
            yield feed.tensors


def phantom_of(item: Input, seed: int) -> Scan:
    """Return a scan that an input accepts, of smooth noise."""
    volume = item.accepts.stack == "volume"
    spatial = item.shape[1:] if item.axes.endswith("HW") else item.shape[:-1]
    shape = tuple(min(LARGEST, size + size // 4) for size in spatial) if volume else (1, LARGEST, LARGEST)
    colour = item.accepts.colour == "rgb"
    generator = np.random.default_rng(seed)
    named = item.accepts
    hounsfield = "CT" in named.modality
    voxels = _smooth(generator, shape, 3 if colour else 1, 4096 if volume or hounsfield else 256)
    least = -1024 if hounsfield else 0
    voxels = voxels.astype(np.int16) + np.int16(least) if hounsfield else voxels
    scan = phantom_scan((1, 1, 1), seed=seed)
    acquisition = replace(
        scan.acquisition,
        photometric="RGB" if colour else "MONOCHROME2",
        modality=named.modality[0] if named.modality else "OT",
        body_part=named.body_part[0] if named.body_part else None,
        view=named.view[0] if named.view else None,
    )
    steps = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    grid = Grid.of(shape, steps, "patient") if volume else Grid.of_picture(shape[1], shape[2])
    places = tuple((0, z) for z in range(shape[0]))
    return replace(
        scan,
        voxels=voxels,
        grid=grid,
        stack=named.stack,
        unit="HU" if hounsfield else "stored value",
        value_range=(float(least), float(least + (4095 if volume or hounsfield else 255))),
        acquisition=acquisition,
        places=places,
    )


def _smooth(generator: np.random.Generator, shape: tuple[int, ...], channels: int, levels: int) -> NDArray[Any]:
    """Noise enlarged slice by slice, linear between a few slices; (z, y, x) or (z, y, x, 3)."""
    few = min(shape[0], COARSE)
    coarse = generator.integers(0, levels, (few, COARSE, COARSE, channels)).astype(np.float32)
    size = (shape[2], shape[1])
    slices = [cv2.resize(part, size, interpolation=cv2.INTER_LINEAR).reshape(*shape[1:], channels) for part in coarse]
    at = np.linspace(0, few - 1, shape[0])
    low = np.minimum(at.astype(int), max(few - 2, 0))
    mixed = [
        slices[below] + (slices[min(below + 1, few - 1)] - slices[below]) * (place - below)
        for below, place in zip(low, at, strict=True)
    ]
    whole = np.rint(np.stack(mixed)).astype(np.uint8 if levels == 256 else np.uint16)
    return np.asarray(whole if channels == 3 else whole[..., 0])
