"""Detection takes the same road: pictures and a row for each box in, boxes judged, a pack out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.build import Built, build
from convert.describe import ThresholdRule
from convert.document import Conversion
from convert.outputs import CARD, PAGE, read_conversion
from convert.road import Ways, travel
from convert.tune import FIXED
from convert.verdicts import verdict_lines
from convert.work import Work
from edge.errors import UsageError
from edge.pack.store import open_pack
from tests.conftest import Edgerun
from tests.convert.planted_sets import cubes, square_pictures, square_rows, squares
from tests.convert.scans import Bench, Heard, converted, quick, with_weights, write_pictures, write_table

WHOLE = Ways(precisions=("fp32", "fp16", "int8"), max_steps=1)
METRICS = {"mean-average-precision", "average-precision", "froc", "sensitivity", "false-positives"}


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def travelled(made: Bench, out: Path) -> Conversion:
    return travel(made.road(out, WHOLE, golden=(made.model.parent / "scans" / "001.png",)), Heard())


def judged(built: Built | Conversion, index: int = 1) -> dict[str, float]:
    """What a candidate came to, by metric of the one label."""
    judgement = built.candidates[index].judgement
    assert judgement is not None
    return {row.metric: row.candidate for row in judgement.comparisons}


def beside(made: Bench, candidate: bytes, rule: str = "", **values: float) -> Built:
    """The model with another one beside it, with thresholds by the table's rule or another."""
    plan = made.plan(precisions=("fp32",), given={"int8": candidate})
    if rule:
        other = ThresholdRule(rule=rule, **values)  # type: ignore[arg-type]
        plan = replace(plan, rules={"square": other})
    return build(plan, Heard())


# The road ------------------------------------------------------------------------------------------------


def test_boxes_are_judged_with_all_metrics(travelled: Conversion) -> None:
    for index in (1, 2):
        found = judged(travelled, index)
        assert set(found) == METRICS
        assert found["sensitivity"] >= 0.9
        assert 0.8 < found["average-precision"] <= 1.0


def test_a_copy_that_draws_the_same_boxes_passes(travelled: Conversion) -> None:
    (half,) = [item for item in travelled.candidates if item.precision == "fp16"]
    assert half.judgement is not None
    assert half.judgement.verdict == "passed"


def test_evidence_is_told_of_every_metric_with_its_interval(travelled: Conversion, out: Path) -> None:
    own = [figure for figure in open_pack(out / "workshop").manifest.evidence if figure.precision == "fp32"]
    assert {(figure.metric, figure.label) for figure in own} == {
        ("mean-average-precision", "all"),
        *((metric, "square") for metric in METRICS - {"mean-average-precision"}),
    }
    assert all(figure.interval and figure.interval[0] <= figure.value <= figure.interval[1] for figure in own)
    assert travelled.candidates[0].curves == ()


def test_scans_with_a_box_are_counted_and_shared_out_evenly(travelled: Conversion) -> None:
    assert [(used.use, used.n, dict(used.positives)) for used in travelled.sets] == [
        ("calibrate", 9, {}),
        ("tune", 44, {"square": 22}),
        ("evaluate", 44, {"square": 22}),
    ]


def test_every_candidate_has_a_threshold_by_the_rule(travelled: Conversion) -> None:
    for item in travelled.candidates:
        assert item.thresholds["square"].rule == "sensitivity of at least 90% of the true boxes"
        assert item.thresholds["square"].chosen_on == "one half of labels.csv"
    assert len({item.thresholds["square"].value for item in travelled.candidates}) > 1


def test_the_free_response_curve_is_told_and_drawn(travelled: Conversion, out: Path) -> None:
    for item in travelled.candidates:
        (curve,) = item.free_response
        assert (curve.label, curve.points[-1].sensitivity) == ("square", 1.0)
        assert curve.points[0].false_positives < curve.points[-1].false_positives
        figures = {figure.metric: figure.value for figure in item.evidence}
        assert curve.froc == figures["froc"]
    page = (out / PAGE).read_text(encoding="utf-8")
    assert "Free-response curves" in page
    assert "false positives per scan" in page


def test_the_report_comes_back_and_the_verdicts_name_the_boxes(travelled: Conversion, out: Path) -> None:
    assert read_conversion(out / "conversion.json") == travelled
    assert any(line.startswith("  square false-positives (all, n = 44): ") for line in verdict_lines(travelled))


def test_the_pack_runs_with_its_golden_case_and_card(
    travelled: Conversion, out: Path, edgerun: Edgerun, tmp_path: Path
) -> None:
    assert travelled.candidates[0].judgement is None
    pack = out / "workshop"
    checked = edgerun("pack", "check", pack)
    assert checked.code == 0, checked.err
    assert "false positives per scan" in (pack / CARD).read_text(encoding="utf-8")
    images, truths = square_pictures(4, seed=50)
    scan = write_pictures(tmp_path / "scans", images)[1]
    (result,) = edgerun("infer", scan, "--pack", pack, "--json", "--out", tmp_path / "r").reports[0]["results"]
    assert result["state"] == "finding"
    assert len(truths[1]) == 1


def test_a_fixed_threshold_stays_what_its_author_chose(made: Bench) -> None:
    built = beside(made, made.onnx, "fixed", value=0.5)
    assert {(item.thresholds["square"].value, item.thresholds["square"].rule) for item in built.candidates} == {
        (0.5, FIXED)
    }
    assert judged(built)["sensitivity"] < 0.9


def test_thresholds_may_be_chosen_by_f1_and_by_false_positives(made: Bench) -> None:
    best, few = beside(made, made.onnx, "f1"), beside(made, made.onnx, "false-positives", at_most=0.0)
    assert best.candidates[0].thresholds["square"].rule == "the largest F1 of the boxes"
    assert few.candidates[0].thresholds["square"].rule == "at most 0 false positives per scan"
    assert few.candidates[0].thresholds["square"].value > best.candidates[0].thresholds["square"].value
    assert judged(few)["false-positives"] < judged(best)["false-positives"]


def test_a_lower_threshold_than_any_box_is_collected_from_counts(made: Bench) -> None:
    """The author's own threshold may be below what curves begin with."""
    built = beside(made, made.onnx, "fixed", value=0.001)
    assert judged(built)["sensitivity"] == 1.0


def test_subgroups_and_patients_are_judged_by(tmp_path: Path) -> None:
    sites = ["north" if index % 8 < 6 else "south" for index in range(88)]
    made = squares(tmp_path, site=sites, patient=[f"p{index // 2}" for index in range(88)])
    built = beside(made, made.onnx)
    judgement = built.candidates[1].judgement
    assert judgement is not None
    assert "percentile bootstrap, 2000 resamples of patients" in str(built.candidates[0].evidence[0].method)
    assert {words.partition(": ")[2].partition(" (")[0] for words in judgement.skipped} == {"site=north", "site=south"}


def test_boxes_in_volumes_are_where_the_table_says_in_millimetres(tmp_path: Path) -> None:
    made = cubes(tmp_path)
    built = build(made.plan(precisions=("fp32",), calibrate=(), given={"int8": made.onnx}), Heard())
    found = judged(built)
    assert (found["average-precision"], found["sensitivity"], found["false-positives"]) == (1.0, 1.0, 0.0)
    assert built.notes == ()


# What goes wrong -----------------------------------------------------------------------------------------


def test_a_candidate_with_a_broken_layer_is_rejected(made: Bench) -> None:
    """Its first layer looks beside the place: every box is a pixel off its square along both axes."""
    beside_it = with_weights(made.onnx, "passing", lambda weights: np.roll(weights, (1, 1), (2, 3)))
    judgement = beside(made, beside_it).candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert {row.metric for row in judgement.comparisons if row.verdict == "rejected"} == METRICS


def test_the_command_that_judges_ends_with_7_where_a_copy_is_rejected(made: Bench, tmp_path: Path) -> None:
    blind = tmp_path / "blind.onnx"
    blind.write_bytes(with_weights(made.onnx, "passing", np.zeros_like))
    sets = ["--describe", made.describe, "--evaluate", made.evaluate]
    ran = converted("gate", made.model, *sets, "--candidate", f"int8={blind}", "--out", tmp_path / "conversion.json")
    assert ran.code == 7, ran.err
    assert "square sensitivity (all, n = 22): " in ran.err
    assert "int8 on onnxruntime: rejected" in ran.err


def test_a_candidate_that_gives_no_numbers_is_rejected_without_figures(made: Bench) -> None:
    built = beside(made, with_weights(made.onnx, "passing", lambda weights: weights * np.nan))
    judgement = built.candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert "no numbers" in judgement.problems[0]
    assert not built.candidates[1].free_response


def test_a_reference_that_finds_nothing_is_doubted(made: Bench) -> None:
    blind = with_weights(made.onnx, "passing", np.zeros_like)
    plan = made.plan(precisions=("fp32",), onnx=blind)
    (note,) = build(plan, Heard()).notes
    assert note.startswith("The reference itself hardly finds square: FROC 0.000. Check the steps")


def test_a_rule_for_scores_is_refused_for_boxes(made: Bench) -> None:
    with pytest.raises(UsageError, match="found the rule 'youden', expected one of 'sensitivity', 'f1'"):
        beside(made, made.onnx, "youden")


def test_a_box_beyond_its_scan_is_named_by_its_line(made: Bench, tmp_path: Path) -> None:
    rows = square_rows(tmp_path)
    boxed = next(index for index, row in enumerate(rows) if row["label"] == "square")
    rows[boxed] |= {"x1": 40}
    table = write_table(tmp_path / "labels.csv", rows)
    with pytest.raises(UsageError, match=rf"labels\.csv, line {boxed + 2}: it reaches beyond the scan of 24 x 24"):
        build(replace(made, evaluate=table).plan(precisions=("fp32",)), Heard())


def test_a_changed_box_is_not_taken_for_the_old_one(made: Bench, tmp_path: Path) -> None:
    """What was measured lies under the hash of the boxes, too."""
    plan = made.plan(precisions=("fp32",))
    assert plan.evaluate is not None
    first = build(plan, Heard(), Work(tmp_path))
    scans = plan.evaluate.scans
    other = replace(scans, boxes=tuple(tuple(replace(box, edges=(1, 1, 3, 3)) for box in each) for each in scans.boxes))
    work = Work(tmp_path)
    second = build(replace(plan, evaluate=replace(plan.evaluate, scans=other)), Heard(), work)
    assert work.found == ["tuned"]
    assert first.candidates[0].evidence != second.candidates[0].evidence
