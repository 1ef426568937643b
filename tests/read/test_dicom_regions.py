"""Where an ultrasound machine says that its pictures show tissue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from edge.read.messages import Loaded, loaded_of, raw_of, scan_of
from edge.scan import Scan, Series
from edge.typed import dump, parse
from tests.read.dicom_files import describe, item, load, picture, save, series_of

BOX = (12, 5, 40, 33)


def region(box: tuple[int, int, int, int] = BOX, *, kind: int = 1, **elements: Any) -> Dataset:
    """A region from its first row and column to its last; 1 is 2-D tissue, 3 a spectrum."""
    top, left, bottom, right = box
    corners = {"MinX0": left, "MinY0": top, "MaxX1": right, "MaxY1": bottom}
    located = {f"RegionLocation{name}": value for name, value in corners.items()}
    return item(**{"RegionSpatialFormat": kind, **located, **elements})


def clip(*regions: Dataset) -> Dataset:
    pixels = np.random.default_rng(4).integers(0, 255, (3, 50, 60), dtype=np.uint8)
    return picture(pixels, Modality="US", NumberOfFrames=3, SequenceOfUltrasoundRegions=list(regions))


def read(ds: Dataset, folder: Path) -> Scan:
    return load(save(ds, folder / "clip.dcm"))


def test_a_region_of_tissue_is_known_to_the_scan_by_rows_and_columns(tmp_path: Path) -> None:
    assert read(clip(region()), tmp_path).regions == (BOX,)


def test_two_regions_are_both_kept_and_a_spectrum_is_none(tmp_path: Path) -> None:
    other = (12, 34, 40, 58)
    assert read(clip(region(), region(kind=3), region(other)), tmp_path).regions == (BOX, other)


def test_a_region_that_reaches_beyond_the_picture_is_cut_to_it(tmp_path: Path) -> None:
    assert read(clip(region((0, 0, 50, 4000))), tmp_path).regions == ((0, 0, 49, 59),)


@pytest.mark.parametrize("box", [(40, 5, 12, 33), (12, 33, 40, 33), (60, 5, 70, 33), (2**32 - 1, 5, 40, 33)])
def test_a_region_that_encloses_nothing_of_the_picture_tells_nothing(
    tmp_path: Path, box: tuple[int, int, int, int]
) -> None:
    assert read(clip(region(), region(box)), tmp_path).regions == ()


def test_a_region_without_a_corner_tells_nothing(tmp_path: Path) -> None:
    cut = region()
    del cut.RegionLocationMaxY1
    assert read(clip(region(), cut), tmp_path).regions == ()


def test_a_scan_without_regions_has_none(tmp_path: Path) -> None:
    assert read(clip(), tmp_path).regions == ()


def test_regions_cross_from_the_reading_process_to_its_parent(tmp_path: Path) -> None:
    path = save(clip(region()), tmp_path / "clip.dcm")
    scan, series = load(path), series_of([describe(path)])
    assert isinstance(series, Series)
    sent = parse(Loaded, dump(loaded_of(scan)))
    assert scan_of(sent, bytearray(b"".join(raw_of(scan))), series, lambda *_: scan.voxels).regions == (BOX,)
