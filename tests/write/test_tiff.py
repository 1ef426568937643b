"""Labels as tiled TIFF, read back by libtiff and by our own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.read.regions import open_regions
from edge.write.tiff import TILE, tiled_tiff


def labels(shape: tuple[int, int], kind: str = "uint8", seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 200, shape).astype(kind)


@pytest.mark.parametrize("shape", [(1, 1), (TILE, TILE), (TILE + 1, TILE - 1), (700, 1300)])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_libtiff_reads_the_labels_that_were_written(shape: tuple[int, int], kind: str) -> None:
    plane = labels(shape, kind)
    np.testing.assert_array_equal(imagecodecs.tiff_decode(tiled_tiff(plane)), plane)


def test_our_reader_reads_regions_and_resolution(tmp_path: Path) -> None:
    plane = labels((700, 1300))
    path = tmp_path / "a.tif"
    path.write_bytes(tiled_tiff(plane, (0.0005, 0.00025)))
    with open_regions(path) as regions:
        np.testing.assert_array_equal(regions.read(0, 480, 500, 60, 70)[..., 0], plane[480:540, 500:570])
        assert regions.about.spacing_mm == pytest.approx((0.0005, 0.00025))


def test_what_is_written_may_be_changed_tile_by_tile() -> None:
    plane = labels((600, 600))
    written = tiled_tiff(plane, change=lambda part: np.asarray((part > 100) * 255, np.uint8))
    np.testing.assert_array_equal(imagecodecs.tiff_decode(written), (plane > 100) * 255)


def test_the_same_labels_give_the_same_bytes() -> None:
    assert tiled_tiff(labels((600, 600))) == tiled_tiff(labels((600, 600)))
