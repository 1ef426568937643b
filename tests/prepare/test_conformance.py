"""What holds of every step: a new entry of STEPS is tested by being listed, with its options in `images`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import PackError
from edge.geometry import Grid
from edge.prepare import STEPS
from edge.prepare.image import Image
from edge.scan import Scan
from edge.testing import phantom
from tests.prepare.images import MOVING, OF_VOLUMES, OPTIONS, UNCHANGING, apply, scan_of, step, volume_scan

Array = NDArray[Any]
COLOURS = np.stack([phantom((1, 12, 17), seed=seed) for seed in (1, 2, 3)], axis=-1)
TURNED = np.array([[3.0, 0, 0, 10], [0, 0, -0.5, 20], [0, -0.8, 0, 30], [0, 0, 0, 1]])
DTYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")


def scan_for(name: str, voxels: Array, **options: Any) -> Scan:
    """A scan that this step takes: one with a place in the patient where it is for volumes."""
    scan = scan_of(voxels, **options)
    if name not in OF_VOLUMES:
        return scan
    return replace(scan, grid=Grid.of(voxels.shape[:3], TURNED, "patient"), stack="volume")


def done(name: str, voxels: Array) -> Image:
    return apply(scan_for(name, voxels, value_range=(0.0, 255.0)), step(name, **OPTIONS[name]))


def test_every_step_has_options_to_be_tested_with() -> None:
    assert set(OPTIONS) == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_the_type_of_the_stored_numbers_makes_no_difference(name: str) -> None:
    values = phantom((1, 12, 17)) % 251
    results = [done(name, values.astype(dtype)).voxels.astype(np.float64) for dtype in DTYPES]
    for found in results[1:]:
        assert np.array_equal(found, results[0])


@pytest.mark.parametrize("name", STEPS)
def test_the_largest_and_smallest_numbers_of_a_type_do_not_wrap_around(name: str) -> None:
    for dtype in DTYPES[:3]:
        info = np.iinfo(dtype)
        values = np.resize([info.min, info.max, 0, 1], (1, 12, 17)).astype(dtype)
        told: dict[str, Any] = {"value_range": (float(info.min), float(info.max)), "photometric": "MONOCHROME1"}
        scan, exact = scan_for(name, values, **told), scan_for(name, values.astype(np.float64), **told)
        named = step(name, **OPTIONS[name])
        assert np.array_equal(apply(scan, named).voxels.astype(float), apply(exact, named).voxels.astype(float))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_gives_the_same_bytes_every_time_on_any_number_of_threads(name: str) -> None:
    voxels = phantom((1, 150, 170))
    before = cv2.getNumThreads()
    try:
        found = []
        for threads in (1, 2, 2):
            cv2.setNumThreads(threads)
            found.append(np.ascontiguousarray(done(name, voxels).voxels).tobytes())
    finally:
        cv2.setNumThreads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_leaves_the_scan_as_it_was(name: str) -> None:
    voxels = phantom((3, 12, 17)).astype(np.float32)
    kept = voxels.copy()
    voxels.setflags(write=False)
    image = done(name, voxels)
    assert np.array_equal(voxels, kept)
    assert image.scan.voxels is voxels


@pytest.mark.parametrize("name", STEPS)
def test_voxels_and_grid_keep_the_same_shape(name: str) -> None:
    for voxels in (phantom((1, 12, 17)), phantom((4, 17, 12)), COLOURS, phantom((1, 1, 1)), phantom((1, 1, 30))):
        image = done(name, voxels)
        assert image.voxels.shape[:3] == image.grid.shape


@pytest.mark.parametrize("name", [name for name in STEPS if name not in MOVING])
def test_a_step_that_changes_values_leaves_every_voxel_in_its_place(name: str) -> None:
    scan = scan_of(phantom((2, 12, 17)), value_range=(0.0, 255.0))
    image = apply(scan, step(name, **OPTIONS[name]))
    assert image.grid == scan.grid
    assert image.voxels.dtype == (np.int16 if name in UNCHANGING else np.float32)


@pytest.mark.parametrize("at", [(2, 5, 4), (2, 6, 8), (2, 9, 10)])
@pytest.mark.parametrize("name", MOVING)
def test_a_bright_voxel_is_found_where_its_grid_says(name: str, at: tuple[int, int, int]) -> None:
    voxels = np.zeros((5, 14, 14), np.float32)
    voxels[at] = 100.0
    scan = volume_scan(voxels, TURNED)
    options = {**OPTIONS[name], **({"fill": 0.0} if name in ("center_crop_or_pad", "pad_or_crop_volume") else {})}
    image = apply(scan, step(name, **options))
    found = np.unravel_index(np.argmax(image.voxels), image.voxels.shape)
    true = scan.grid.matrix @ [*at, 1.0]
    index = np.linalg.solve(image.grid.matrix, true)[:3]
    assert np.abs(index - np.array(found)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "area", "cubic", "lanczos"])
@pytest.mark.parametrize("size", [(7, 5), (28, 42), (13, 15), (3, 40)])
def test_every_interpolation_keeps_the_centre_of_mass_in_its_place(interpolation: str, size: tuple[int, int]) -> None:
    y, x = np.indices((14, 14))
    blob = np.exp(-((y - 7.3) ** 2 + (x - 5.9) ** 2) / 12.0)[np.newaxis]
    scan = scan_of(blob, spacing_mm=(0.5, 0.25))
    image = apply(scan, step("resize", height=size[0], width=size[1], interpolation=interpolation))

    def centre(voxels: Array, matrix: Array) -> Array:
        weights = voxels[0] / voxels[0].sum()
        rows, columns = np.indices(weights.shape)
        return np.asarray(matrix @ [0.0, (rows * weights).sum(), (columns * weights).sum(), 1.0])

    # A nearest sample lies up to half a pixel beside the place that it stands for.
    limit = 0.251 if interpolation == "nearest" else 0.06
    assert np.abs(centre(image.voxels, image.grid.matrix) - centre(blob, scan.grid.matrix)).max() < limit


@pytest.mark.parametrize("name", STEPS)
def test_an_option_that_a_step_does_not_know_is_refused_with_its_path(name: str) -> None:
    with pytest.raises(PackError, match=r"\$\.inputs\[0\]\.steps\[0\]\.colour: unknown key") as caught:
        apply(scan_for(name, phantom((1, 4, 4))), step(name, **OPTIONS[name], colour="red"))
    assert caught.value.reason.code == "P401"
