"""Volumes with planted findings: each side of the body differs from every other, so that no mirror goes unseen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask
from edge.detect.place import place_box
from edge.findings import Detection, Detections, LookedFor, Region, Registration, Segmentation, Translation
from edge.geometry import Grid, Turn
from edge.scan import Acquisition, Scan
from edge.testing import phantom_scan
from edge.volume.measure import measure

Array = NDArray[Any]
SHAPE = (24, 40, 48)
STEPS_MM = (4.0, 2.5, 2.0)
TURNS = tuple(
    Turn(axes=(a, b, c), flips=(f, g, h))
    for a, b, c in itertools.permutations(range(3))
    for f, g, h in itertools.product((False, True), repeat=3)
)
"""The 48 ways to store one volume."""


def upright_grid(shape: tuple[int, int, int] = SHAPE, steps_mm: Sequence[float] = STEPS_MM) -> Grid:
    """A grid whose z rises to the head, y to the back and x to the left."""
    z, y, x = steps_mm
    matrix = np.array([[0, 0, x, -31.0], [0, y, 0, -57.0], [z, 0, 0, 112.0], [0, 0, 0, 1]])
    return Grid.of(shape, matrix, "patient")


def oblique_grid(degrees: float = 20.0) -> Grid:
    """The upright grid, turned around the axis from foot to head."""
    angle = np.deg2rad(degrees)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return Grid.of(SHAPE, turned @ upright_grid().matrix, "patient")


def body(shape: tuple[int, int, int] = SHAPE) -> Array:
    """A body in HU, upright: a spine at the back, a liver on the right, a heart on the left, a brighter head."""
    z, y, x = (axis / size for axis, size in zip(np.indices(shape), shape, strict=True))
    values = np.full(shape, -1000.0)
    values[((y - 0.5) / 0.42) ** 2 + ((x - 0.5) / 0.46) ** 2 < 1] = -60.0
    values[((y - 0.48) / 0.32) ** 2 + ((x - 0.5) / 0.38) ** 2 < 1] = 20.0
    values[((y - 0.8) / 0.09) ** 2 + ((x - 0.5) / 0.07) ** 2 < 1] = 400.0
    values[((z - 0.3) / 0.25) ** 2 + ((y - 0.42) / 0.22) ** 2 + ((x - 0.3) / 0.18) ** 2 < 1] = 110.0
    values[((z - 0.65) / 0.18) ** 2 + ((y - 0.35) / 0.15) ** 2 + ((x - 0.6) / 0.13) ** 2 < 1] = 180.0
    values[z > 0.92] += 150.0
    return np.asarray(values + np.random.default_rng(1).normal(0, 12, shape), dtype=np.int16)


def volume_scan(turn: Turn | None = None, grid: Grid | None = None, voxels: Array | None = None) -> Scan:
    """The body as a scan, stored in one of the 48 ways."""
    upright, values = grid or upright_grid(), body() if voxels is None else voxels
    if turn is not None:
        upright, values = turn.apply_grid(upright), turn.apply(values)
    return replace(
        phantom_scan((1, 1, 1)),
        voxels=np.ascontiguousarray(values),
        grid=upright,
        stack="volume",
        unit="HU",
        acquisition=Acquisition(modality="CT", photometric="MONOCHROME2"),
        value_range=(-32768.0, 32767.0),
    )


def ball(centre: Sequence[float], radius_mm: float, grid: Grid | None = None) -> Array:
    """The voxels of an upright grid within a distance of a voxel."""
    where = grid or upright_grid()
    offsets = np.indices(where.shape) - np.array(centre).reshape(3, 1, 1, 1)
    lengths = np.sqrt(((offsets * np.array(where.steps).reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    return np.asarray(lengths <= radius_mm)


def segmented_volume(
    scan: Scan, masks: Sequence[Array], *, exclusive: bool = True, findings: Sequence[bool] | None = None
) -> Segmentation:
    """A segmentation with these masks on the scan's grid; where they exclude each other a later one lies on top."""
    codes = np.zeros(scan.grid.shape, dtype=np.uint8)
    for index, mask in enumerate(masks):
        if exclusive:
            codes[mask] = index + 1
        else:
            codes |= mask.astype(np.uint8) << index
    found = Segmentation(regions=(), codes=codes, exclusive=exclusive, grid=scan.grid)
    regions = [
        _region(index, found.mask(index), scan.grid, findings is None or findings[index]) for index in range(len(masks))
    ]
    return replace(found, regions=tuple(regions))


def _region(index: int, mask: Array, grid: Grid, finding: bool) -> Region:
    measured = measure(mask, grid)
    box = measured.box
    return Region(
        name=f"region-{index + 1}",
        title=f"Region {index + 1}",
        code=None,
        threshold=0.5,
        positive=measured.voxels > 0,
        finding=finding,
        urgency="soon" if measured.voxels and finding else None,
        pixels=measured.voxels,
        share=measured.voxels / mask.size,
        area_mm2=None,
        box=None if box is None else (box[1], box[2], box[4], box[5]),
        slices=None if box is None else (box[0], box[3]),
        volume_ml=measured.volume_ml,
        diameter_mm=measured.diameter_mm,
        diameter_slice=measured.diameter_slice,
        components=measured.components,
        largest_share=measured.largest_share,
    )


def detection(
    scan: Scan,
    edges: Sequence[float],
    score: float,
    *,
    fed: Grid | None = None,
    name: str = "nodule",
    finding: bool = True,
    mask: InstanceMask | None = None,
) -> Detection:
    """A box with these edges on what was fed, by default the scan."""
    place = place_box(edges, fed or scan.grid, scan.grid)
    assert place is not None
    return Detection(
        name=name,
        title=name.title(),
        code=None,
        score=score,
        threshold=0.3,
        positive=True,
        finding=finding,
        urgency="soon" if finding else None,
        place=place,
        mask=mask,
    )


def detected(scan: Scan, *boxes: Detection, fed: Grid | None = None, names: Sequence[str] = ("nodule",)) -> Detections:
    """What a detector of these labels found."""
    kinds = {box.name: box.finding for box in boxes}
    labels = tuple(LookedFor(name=name, title=name.title(), finding=kinds.get(name, True)) for name in names)
    return Detections(boxes=boxes, labels=labels, grid=fed or scan.grid)


def registration(scan: Scan, shift_mm: Sequence[float] = (8.0, 0.0, 0.0), *, folded: float = 0.0) -> Registration:
    """The body moved along x, y and z of LPS, by whole voxels of the upright grid, and brought back."""
    grid = scan.grid
    field = np.zeros((3, *grid.shape), dtype=np.float32)
    field += np.array(shift_mm, dtype=np.float32).reshape(3, 1, 1, 1)
    fixed = scan.voxels.astype(np.float32)
    steps = np.rint(np.linalg.solve(grid.matrix[:3, :3], np.array(shift_mm))).astype(int)
    before = np.roll(fixed, tuple(steps.tolist()), axis=(0, 1, 2))
    warped = fixed.copy()
    warped[0] = np.nan
    length = float(np.linalg.norm(shift_mm))
    return Registration(
        displacement_mm=field,
        warped=warped,
        fixed=fixed,
        before=before,
        mean_mm=length,
        largest_mm=length,
        folded_share=folded,
        grid=grid,
    )


def translation(grid: Grid, values: Array, *, makes: str = "T2-weighted MR") -> Translation:
    """An image that was made."""
    low, high = float(values.min()), float(max(values.max(), values.min() + 1))
    return Translation(
        values=values.astype(np.float32), range=(low, high), unit="arbitrary unit", makes=makes, grid=grid
    )
