"""Pictures on their way, and the steps of a manifest applied to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Grid
from edge.pack.manifest import Accepts, Input
from edge.prepare import bind_steps
from edge.prepare.image import Image
from edge.scan import Scan, Window
from edge.testing import phantom_scan

Array = NDArray[Any]

# For every step options that change something; the conformance tests run over all of them.
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "select_frame": {"at": 0.5},
    "orient": {},
    "center_square": {},
    "center_crop_or_pad": {"height": 14, "width": 9, "fill": -3.0},
    "resize": {"height": 8, "width": 21, "interpolation": "linear"},
    "letterbox": {"height": 24, "width": 24, "interpolation": "linear"},
    "resample": {"spacing_mm": [1.5, 0.5, 0.3]},
    "resize_volume": {"shape": [3, 8, 21]},
    "pad_or_crop_volume": {"shape": [4, 14, 9], "fill": -3.0},
    "fundus_field": {"otherwise": "keep"},
    "ultrasound_sector": {"otherwise": "keep"},
    "require_unit": {"unit": "stored value"},
    "monochrome2": {},
    "voi_window": {},
    "window": {"center": 300.0, "width": 500.0},
    "rescale": {"low": 100.0, "high": 900.0},
    "percentile_clip": {"low": 5.0, "high": 95.0},
    "min_max": {},
    "z_score": {},
    "foreground_z_score": {"above": "otsu", "outside": "zero"},
    "foreground_percentile": {"low": 5.0, "high": 95.0},
    "channels": {"order": "grey3"},
    "normalise": {"mean": [0.5], "std": [0.25]},
}
OF_VOLUMES = ("resample", "resize_volume", "pad_or_crop_volume")
MOVING = (
    "select_frame",
    "orient",
    "center_square",
    "center_crop_or_pad",
    "resize",
    "letterbox",
    "fundus_field",
    *OF_VOLUMES,
)
UNCHANGING = ("monochrome2", "require_unit")


def scan_of(
    voxels: Array,
    *,
    spacing_mm: tuple[float, float] | None = None,
    photometric: str = "MONOCHROME2",
    value_range: tuple[float, float] | None = None,
    window: Window | None = None,
) -> Scan:
    """A scan of these voxels, (z, y, x[, channel])."""
    shape = voxels.shape[:3]
    scan = phantom_scan((shape[0], shape[1], shape[2]), spacing_mm=spacing_mm)
    acquisition = replace(scan.acquisition, photometric=photometric)
    return replace(scan, voxels=voxels, acquisition=acquisition, value_range=value_range, window=window)


def picture(values: object, dtype: str = "float32") -> Array:
    """Rows of numbers as voxels with z = 1."""
    return np.array(values, dtype=dtype)[np.newaxis]


def volume_scan(voxels: Array, matrix: Array) -> Scan:
    """A volume with a place in the patient."""
    grid = Grid.of(voxels.shape[:3], matrix, "patient")
    return replace(phantom_scan((1, 2, 2)), voxels=voxels, grid=grid, stack="volume")


def apply(scan: Scan, *steps: Mapping[str, object]) -> Image:
    """The image after these steps, bound as a manifest's are."""
    item = Input(
        name="image",
        tensor="image",
        accepts=Accepts(stack="picture", colour="grey"),
        axes="NCHW",
        shape=(1, 1, 1),
        steps=steps,
    )
    image = Image.of(scan)
    for step in bind_steps(item, "$.inputs[0]"):
        image = step(image)
    return image


def step(name: str, **options: object) -> dict[str, object]:
    """One step as a manifest has it."""
    return {"step": name, **options}
