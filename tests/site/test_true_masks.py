"""True masks of pictures, in the formats that people save: what holds labels is compared, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Region
from edge.geometry import Grid
from edge.reasons import NOT_LABELS
from edge.scan import Acquisition
from edge.site.case import Case, TrueMask
from edge.site.examine import Examined
from edge.site.outlines import with_outlines
from edge.write.report import FileReport, ResultReport, ScanReport, SegmentationReport
from tests.site.cases import ENGINE

SIDE = 32
SHAPE = (SIDE, SIDE)
INSIDE = np.hypot(*(np.indices(SHAPE) - SIDE / 2)) < 9
GREY = INSIDE * np.uint8(255)


def compared(folder: Path, name: str, pixels: NDArray[np.uint8], value: int | None = None) -> Examined:
    """A picture whose outline is the circle, beside a true mask in a file."""
    for file, values in (("mask-liver.png", GREY), (name, pixels)):
        assert cv2.imwrite(str(folder / file), values)
    scan = ScanReport(
        study_instance_uid=None,
        series_instance_uid=None,
        stack="picture",
        unit=None,
        grid=Grid.of_picture(*SHAPE),
        acquisition=Acquisition(),
        sources=(),
    )
    region = Region(
        name="liver",
        title="Liver",
        code=None,
        threshold=None,
        positive=True,
        finding=True,
        urgency=None,
        pixels=int(INSIDE.sum()),
        share=float(INSIDE.mean()),
        area_mm2=None,
        box=None,
    )
    result = ResultReport(
        state="finding",
        summary="",
        scan=scan,
        findings=SegmentationReport(regions=(region,), exclusive=False),
        confirmed={},
        files=(FileReport(name="mask-liver.png", role="masks", sha256=""),),
    )
    case = Case(row=2, path=folder, masks={"liver": TrueMask(path=folder / name, value=value)}, patient="P")
    (each,) = with_outlines([Examined(case=case, engine=ENGINE, result=result, folder=folder)])
    return each


@pytest.mark.parametrize(
    ("name", "pixels", "value"),
    [
        ("true.png", GREY, None),
        ("true.tif", INSIDE * np.uint8(3), 3),
        ("red.png", np.dstack([GREY * 0, GREY * 0, GREY]), None),
    ],
)
def test_labels_without_loss_are_compared(
    tmp_path: Path, name: str, pixels: NDArray[np.uint8], value: int | None
) -> None:
    (outlined,) = compared(tmp_path, name, pixels, value).outlined.values()
    assert (outlined.overlap.dice, outlined.overlap.hd95, outlined.unit) == (1.0, 0.0, "pixels")


@pytest.mark.parametrize(
    ("name", "pixels", "value"),
    [
        ("lossy.jpg", GREY, None),  # around its outline JPEG puts values that are not 0
        ("scan.png", GREY // 2 + np.uint8(40), None),
        ("red-on-white.png", np.dstack([255 - GREY, 255 - GREY, GREY * 0 + 255]), None),
        ("palette.png", np.dstack([GREY * 0, GREY * 0, GREY // 2]), 1),
    ],
)
def test_a_picture_that_is_no_mask_is_no_truth(
    tmp_path: Path, name: str, pixels: NDArray[np.uint8], value: int | None
) -> None:
    each = compared(tmp_path, name, pixels, value)
    assert (each.answered, each.reason.code if each.reason else "") == (False, NOT_LABELS.code)
