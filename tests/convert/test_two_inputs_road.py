"""A pack that needs two scans of a patient takes the same road: the runtime brings them together, as in a clinic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.build import Built, build
from convert.cases import read_cases
from convert.document import Conversion
from convert.measure import feeds_of
from convert.road import Ways, plan_of, travel
from edge.errors import ReadError, UsageError
from edge.pack.store import open_pack
from tests.conftest import Edgerun
from tests.convert.planted_sets import GRID, SHAPE, outlined
from tests.convert.scans import Bench, Heard, converted, quick, with_weights, write_table
from tests.systems import dicom

WHOLE = Ways(precisions=("fp32", "fp16", "int8"), max_steps=1)


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return outlined(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def travelled(made: Bench, out: Path) -> Conversion:
    golden = write_table(
        made.model.parent / "golden.csv",
        [{name: made.model.parent / name / "001.nii" for name in ("t1", "t2")}],
    )
    return travel(made.road(out, WHOLE, golden=(golden,)), Heard())


def judged(built: Built | Conversion, index: int = 1) -> dict[tuple[str, str], float]:
    judgement = built.candidates[index].judgement
    assert judgement is not None
    return {(row.metric, row.label): row.candidate for row in judgement.comparisons}


def test_both_scans_are_needed_to_outline_and_both_are_seen(travelled: Conversion) -> None:
    """What is bright in the first scan alone is the blob; every fourth patient has it bright in both."""
    for index in (1, 2):
        found = judged(travelled, index)
        assert found["dice", "blob"] > 0.95
        assert found["specificity", "blob"] == 1.0
    assert [(used.use, used.n, dict(used.positives)) for used in travelled.sets] == [
        ("calibrate", 4, {}),
        ("tune", 12, {"blob": 9}),
        ("evaluate", 12, {"blob": 9}),
    ]


def test_the_pack_is_checked_and_examines_what_is_named(
    made: Bench, travelled: Conversion, out: Path, edgerun: Edgerun, tmp_path: Path
) -> None:
    assert travelled.candidates[0].judgement is None
    pack, folder = out / "workshop", made.model.parent
    (case,) = open_pack(pack).manifest.golden
    assert dict(case.scans) == {"t1": "golden/001-t1.nii", "t2": "golden/001-t2.nii"}
    assert edgerun("pack", "check", pack).code == 0
    named = [word for name in ("t1", "t2") for word in ("--scan", f"{name}={folder / name / '001.nii'}")]
    ran = edgerun("infer", *named, "--pack", pack, "--json", "--out", tmp_path / "r")
    assert ran.code == 0, ran.err
    (result,) = ran.reports[0]["results"]
    assert result["state"] == "finding"


def test_a_candidate_that_is_blind_to_one_scan_is_rejected(made: Bench) -> None:
    def blind(weights: NDArray[Any]) -> NDArray[Any]:
        changed: NDArray[Any] = weights.copy()
        changed[:, 1] = 0
        return changed

    plan = made.plan(precisions=("fp32",), calibrate=(), given={"int8": with_weights(made.onnx, "weights", blind)})
    judgement = build(plan, Heard()).candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert {row.metric for row in judgement.comparisons if row.verdict == "rejected"} == {"specificity"}


def test_what_calibrates_is_brought_together_as_for_an_examination(made: Bench) -> None:
    plan = made.plan()
    feeds = list(feeds_of(plan.calibrate, plan.draft))
    assert [feed["image"].shape for feed in feeds] == [(1, 2, *SHAPE)] * 4
    assert all(not np.array_equal(feed["image"][0, 0], feed["image"][0, 1]) for feed in feeds)


def test_scans_to_calibrate_with_are_named_in_a_table_and_in_no_folder(made: Bench) -> None:
    with pytest.raises(UsageError, match=r"found a folder, expected a CSV file with the columns t1, t2") as caught:
        plan_of(made.description, made.onnx, replace(made.sets, calibrate=made.model.parent / "t1"), WHOLE)
    assert caught.value.exit_code == 2
    assert len(read_cases(made.calibrate or Path(), made.description.inputs)) == 4


def test_a_scan_that_calibrates_is_not_judged_with(made: Bench, tmp_path: Path) -> None:
    folder = made.model.parent
    rows = [{name: folder / name / f"{index:03}.nii" for name in ("t1", "t2")} for index in range(24)]
    seen = write_table(tmp_path / "calibrate.csv", rows)
    with pytest.raises(UsageError, match="is in the set to calibrate and in the set to judge"):
        build(replace(made, calibrate=seen).plan(), Heard())


def test_scans_of_two_patients_are_not_brought_together(made: Bench, tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)[:1]
    grid = GRID.cropped((0, 0, 0), (1, *SHAPE[1:]))
    files = {}
    for name, patient in (("t1", "A"), ("t2", "B")):
        folder = dicom(tmp_path / name, voxels, grid, PatientID=patient, StudyInstanceUID=f"1.2.{ord(patient)}")
        (files[name],) = folder.iterdir()
    table = write_table(tmp_path / "calibrate.csv", [files])
    plan = replace(made, calibrate=table).plan()
    with pytest.raises(ReadError, match=r"Reading .* with .*: Bringing the named scans together") as caught:
        list(feeds_of(plan.calibrate, plan.draft))
    assert caught.value.reason.code == "R310"


def test_quantising_takes_the_same_table(made: Bench, tmp_path: Path) -> None:
    """The step of its own that `edgerun-convert quantise` is."""
    seen = ["--describe", made.describe, "--calibrate", made.calibrate]
    ran = converted("quantise", made.model, *seen, "--out", tmp_path / "int8.onnx")
    assert ran.code == 0, ran.err
    assert (tmp_path / "int8.onnx").stat().st_size > 0
