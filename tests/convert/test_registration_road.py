"""Registration takes the same road: pairs of scans and landmarks in, distances and folds judged, a pack out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.build import Built, build
from convert.document import Conversion
from convert.outputs import CARD, PAGE
from convert.road import Ways, travel
from convert.work import Work
from edge.errors import ReadError, UsageError
from edge.pack.store import open_pack
from tests.conftest import Edgerun
from tests.convert.planted_sets import GRID, SHAPE, pairs
from tests.convert.scans import Bench, Heard, quick, with_weights, write_table
from tests.systems import nifti

WHOLE = Ways(precisions=("fp32", "fp16", "int8"), max_steps=1)
ERROR, FOLDED = "target-registration-error", "folded"


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def travelled(made: Bench, out: Path) -> Conversion:
    folder = made.model.parent
    rows = [{"fixed": folder / "fixed" / "000.nii", "moving": folder / "moving" / "000.nii"}]
    golden = write_table(folder / "golden.csv", rows)
    return travel(made.road(out, WHOLE, golden=(golden,)), Heard())


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Too few to pass, and enough to reject."""
    return pairs(tmp_path_factory.mktemp("few"), count=8)


def beside(made: Bench, candidate: bytes) -> Built:
    return build(made.plan(precisions=("fp32",), calibrate=(), given={"int8": candidate}), Heard())


def judged(built: Built | Conversion, index: int = 1) -> dict[str, float]:
    judgement = built.candidates[index].judgement
    assert judgement is not None
    return {row.metric: row.candidate for row in judgement.comparisons}


def test_landmarks_and_folds_are_judged_on_the_way_to_a_pack(travelled: Conversion, out: Path) -> None:
    assert [item.precision for item in travelled.candidates] == ["fp32", "fp16", "int8"]
    for index in (1, 2):
        found = judged(travelled, index)
        assert set(found) == {ERROR, FOLDED}
        assert found[ERROR] < 0.3
        assert found[FOLDED] == 0.0
    assert [(used.use, used.n, dict(used.positives)) for used in travelled.sets] == [
        ("calibrate", 4, {}),
        ("tune", 24, {}),
        ("evaluate", 24, {}),
    ]
    evidence = {(item.metric, item.label, item.n) for item in open_pack(out / "workshop").manifest.evidence}
    assert evidence == {(ERROR, "all", 24), (FOLDED, "all", 24)}


def test_a_copy_that_moves_the_same_passes(travelled: Conversion) -> None:
    assert travelled.candidates[1].judgement is not None
    assert travelled.candidates[1].judgement.verdict == "passed"


def test_report_and_card_speak_of_pairs_and_millimetres(travelled: Conversion, out: Path) -> None:
    assert travelled.candidates[0].free_response == ()
    page = (out / PAGE).read_text(encoding="utf-8")
    assert "target registration error in mm" in page
    assert "all pairs of scans" in page
    assert "target registration error in mm" in (out / "workshop" / CARD).read_text(encoding="utf-8")


def test_the_pack_is_checked_with_its_golden_pair(travelled: Conversion, out: Path, edgerun: Edgerun) -> None:
    assert travelled.candidates[0].judgement is None
    pack = out / "workshop"
    (case,) = open_pack(pack).manifest.golden
    assert dict(case.scans) == {"fixed": "golden/000-fixed.nii", "moving": "golden/000-moving.nii"}
    checked = edgerun("pack", "check", pack)
    assert checked.code == 0, checked.err


def test_a_candidate_with_a_broken_layer_is_rejected(few: Bench) -> None:
    """Of one of the scans it sees a neighbour's voxels: everything is moved a voxel too far."""

    def shifted(weights: NDArray[Any]) -> NDArray[Any]:
        changed: NDArray[Any] = weights.copy()
        changed[1] = np.roll(changed[1], 1, axis=3)
        return changed

    judgement = beside(few, with_weights(few.onnx, "smooth", shifted)).candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert {row.metric for row in judgement.comparisons if row.verdict == "rejected"} == {ERROR}
    assert {row.metric: row.reference < row.candidate for row in judgement.comparisons}[ERROR]


def test_a_candidate_that_gives_no_numbers_is_rejected_without_figures(few: Bench) -> None:
    built = beside(few, with_weights(few.onnx, "smooth", lambda weights: weights * np.nan))
    judgement = built.candidates[1].judgement
    assert judgement is not None
    assert (judgement.verdict, judgement.comparisons) == ("rejected", ())
    assert "no numbers" in judgement.problems[0]


def test_a_reference_that_brings_nothing_nearer_is_doubted(few: Bench) -> None:
    """Its two scans are taken for each other, so that it moves everything the wrong way."""
    wrong = with_weights(few.onnx, "places", lambda places: places * np.array([-1, -1, -1, 1], np.float32))
    (note,) = build(few.plan(precisions=("fp32",), onnx=wrong, calibrate=()), Heard()).notes
    assert note.startswith("The reference itself brings landmarks no nearer: ")


def test_landmarks_in_ras_are_told_from_those_in_lps(few: Bench, tmp_path: Path) -> None:
    first = few.model.parent / "landmarks" / "000.csv"
    text = first.read_text(encoding="utf-8")
    header, *lines = text.splitlines()
    turned = [header]
    for line in lines:
        name, *numbers = line.split(",")
        signs = (-1, -1, 1, -1, -1, 1)
        turned.append(",".join([name, *(str(sign * float(n)) for sign, n in zip(signs, numbers, strict=True))]))
    with_ras = tmp_path / "ras.csv"
    with_ras.write_text("\n".join(turned) + "\n", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"ras\.csv, line 2: the landmark at .* mm lies beyond the scan 'fixed'\. Give"
    ):
        build(replace(few, evaluate=table_of(few, tmp_path, landmarks=with_ras)).plan(precisions=("fp32",)), Heard())


def table_of(few: Bench, tmp_path: Path, **first: Path) -> Path:
    """The table with some cells of its first row in the place of others."""
    folder = few.model.parent
    rows: list[dict[str, object]] = []
    for index in range(8):
        number = f"{index:03}"
        files = {name: folder / name / f"{number}.nii" for name in ("fixed", "moving")}
        rows.append({**files, "landmarks": folder / "landmarks" / f"{number}.csv", **(first if index == 0 else {})})
    return write_table(tmp_path / "labels.csv", rows)


def test_scans_that_lie_in_different_places_are_named(few: Bench, tmp_path: Path) -> None:
    far = GRID.cropped((500, 0, 0), SHAPE)
    away = nifti(tmp_path / "away.nii", np.full(SHAPE, 7, np.int16) * np.arange(10, dtype=np.int16), far)
    table = table_of(few, tmp_path, moving=away)
    with pytest.raises(
        ReadError, match=r"Measuring with .*000\.nii with .*away\.nii: Bringing two scans together"
    ) as caught:
        build(replace(few, evaluate=table).plan(precisions=("fp32",), calibrate=()), Heard())
    assert caught.value.reason.code == "C722"


def test_an_atlas_may_be_the_fixed_scan_of_all_pairs_and_is_in_both_sets(few: Bench, tmp_path: Path) -> None:
    folder = few.model.parent
    rows = [
        {"fixed": folder / "fixed" / "000.nii", "moving": folder / "moving" / f"{index:03}.nii",
         "landmarks": folder / "landmarks" / "000.csv"}
        for index in range(8)
    ]  # fmt: skip
    plan = replace(few, evaluate=write_table(tmp_path / "labels.csv", rows)).plan(precisions=("fp32",), calibrate=())
    (only,) = build(plan, Heard()).candidates
    assert only.evidence[0].n == 4


def test_changed_landmarks_are_measured_again(few: Bench, tmp_path: Path) -> None:
    plan = few.plan(precisions=("fp32",), calibrate=())
    assert plan.evaluate is not None
    first = build(plan, Heard(), Work(tmp_path))
    scans = plan.evaluate.scans
    moved = replace(scans, landmarks=tuple(replace(item, moving=item.moving + 0.1) for item in scans.landmarks))
    work = Work(tmp_path)
    second = build(replace(plan, evaluate=replace(plan.evaluate, scans=moved)), Heard(), work)
    assert work.found == ["tuned"]
    assert first.candidates[0].evidence[0].value != second.candidates[0].evidence[0].value


def test_an_untrained_pack_of_two_scans_is_timed_on_pairs(few: Bench, tmp_path: Path) -> None:
    description = replace(few.description, status="architecture-only")
    road = replace(few.road(tmp_path, WHOLE, evaluate=None), description=description)
    conversion = travel(road, Heard())
    assert [item.judgement and item.judgement.verdict for item in conversion.candidates] == [
        None,
        "inconclusive",
        "inconclusive",
    ]
    assert all(item.latency_ms > 0 for item in conversion.candidates)
