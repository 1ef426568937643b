"""What a result may not keep to itself: that the model saw a part only, or that nothing was looked for."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.pack.manifest import SegmentationTask
from tests.conftest import Edgerun
from tests.prepare.images import step
from tests.systems import dicom, nifti, pack
from tests.tasks.models import label, volume_input
from tests.tasks.nets import threshold_net
from tests.test_systems import BOXES, GRID, SCALED, body, brats_pack, only, registration_pack, shift_net, write_four

TASK = SegmentationTask(kind="segmentation", output="scores", activation="sigmoid", labels=(label("bright"),))
CORNER = (slice(0, 2), slice(0, 2), slice(0, 2))


def seen_as(folder: Path, steps: tuple[Any, ...], shape: tuple[int, ...]) -> Path:
    """A pack that marks what is bright in what the steps leave."""
    item = volume_input(shape=(1, *shape), steps=(step("orient"), *steps, SCALED))
    return pack(folder, TASK, [item], threshold_net(0.5), {"bright": 0.5})


def test_no_finding_in_a_part_of_a_scan_comes_with_a_warning(edgerun: Edgerun, tmp_path: Path) -> None:
    made = seen_as(tmp_path / "pack", (step("pad_or_crop_volume", shape=[4, 4, 4]),), (4, 4, 4))
    scan = nifti(tmp_path / "a.nii", body(CORNER), GRID)
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    (warning,) = only(ran, 0, "no-finding")["warnings"]
    assert warning["code"] == "C729"
    assert warning["detail"] == "The model saw 9% of the scan as 'image'."


@pytest.mark.parametrize("shape", [[8, 9, 10], [16, 16, 16]])
def test_a_scan_that_is_seen_whole_is_not_warned_of(edgerun: Edgerun, tmp_path: Path, shape: list[int]) -> None:
    made = seen_as(tmp_path / "pack", (step("resize_volume", shape=shape),), tuple(shape))
    ran = edgerun("infer", nifti(tmp_path / "a.nii", body(), GRID), "--pack", made, "--out", tmp_path / "out", "--json")
    assert only(ran, 0, "finding")["warnings"] == []


def test_one_of_several_series_that_covers_half_of_the_others_is_told(edgerun: Edgerun, tmp_path: Path) -> None:
    files = write_four(tmp_path / "study")
    shutil.rmtree(files["flair"])
    half = np.ascontiguousarray(body(BOXES["flair"])[:4])
    dicom(tmp_path / "study" / "half", half, GRID.cropped((0, 0, 0), half.shape), SeriesDescription="T2 FLAIR")
    made = brats_pack(tmp_path / "pack")
    ran = edgerun("infer", tmp_path / "study", "--pack", made, "--out", tmp_path / "out", "--json")
    (warning,) = only(ran, 0, "finding")["warnings"]
    assert (warning["code"], warning["detail"]) == ("C729", "The model saw 50% of the scan as 'flair'.")


def test_a_registration_of_scans_that_overlap_in_part_looks_for_nothing_and_misses_nothing(
    edgerun: Edgerun, tmp_path: Path
) -> None:
    made = registration_pack(tmp_path / "pack", shift_net((0.0, 0.0, 0.0)))
    fixed, moving = nifti(tmp_path / "b.nii", body(), GRID), body()[:5]
    shorter = nifti(tmp_path / "a.nii", moving, GRID.cropped((0, 0, 0), moving.shape))
    ran = edgerun(
        "infer", "--scan", f"moving={shorter}", "--scan", f"fixed={fixed}", "--pack", made, "--out", tmp_path / "out",
        "--json",
    )  # fmt: skip
    assert only(ran, 0, "done")["warnings"] == []


@pytest.mark.parametrize(("level", "words"), [(1000, "Bright"), (100, "nothing marked")])
def test_where_no_label_is_a_finding_no_finding_is_never_said(
    edgerun: Edgerun, tmp_path: Path, level: int, words: str
) -> None:
    task = replace(TASK, labels=(label("bright", finding=False),))
    item = volume_input(shape=(1, *GRID.shape), steps=(step("orient"), SCALED))
    made = pack(tmp_path / "pack", task, [item], threshold_net(0.5))
    scan = nifti(tmp_path / "a.nii", body(level=level), GRID)
    ran = edgerun("infer", scan, "--pack", made, "--out", tmp_path / "out", "--json")
    assert only(ran, 0, "done")["summary"] == f"Done: {words}. Nothing was looked for."
    assert "no finding" not in ran.err.replace("this is not 'no finding'", "")
    assert "Nothing was looked for" in ran.err
