"""A conversion in words."""

from __future__ import annotations

from dataclasses import replace

from convert.document import FORMAT, VERSION, CandidateTold, Conversion, PackNamed, Run
from convert.gate.judge import Comparison, Judgement, judge
from convert.verdicts import verdict_lines

AUC = Comparison(
    metric="auc", label="nodule", group="all", n=400, reference=0.95, candidate=0.9456, bound=-0.0061, margin=0.005,
    verdict="inconclusive", n_needed=640,
)  # fmt: skip
FLIPS = Comparison(
    metric="flips", label="nodule", group="all", n=400, reference=0.0, candidate=0.0025, bound=0.0118, margin=0.01,
    higher_is_better=False, verdict="passed",
)  # fmt: skip


def told(**changes: object) -> CandidateTold:
    item = CandidateTold(
        name="int8 on openvino", precision="int8", engine="openvino", engine_version="1", file="model.int8.onnx",
        sha256="0" * 64, bytes=7_402_911, latency_ms=12.4, peak_bytes=None, thresholds={}, evidence=(), curves=(),
        judgement=Judgement(verdict="inconclusive", comparisons=(AUC, FLIPS)),
    )  # fmt: skip
    return replace(item, **changes)  # type: ignore[arg-type]


REFERENCE = told(name="fp32 on openvino", precision="fp32", bytes=28_312_404, latency_ms=41.8, judgement=None)


def lines(*items: CandidateTold) -> list[str]:
    pack = PackNamed(name="tiny", version="1.0.0", title="Tiny", status="trained", task="classification")
    conversion = Conversion(
        format=FORMAT, format_version=VERSION, pack=pack, origin="a checkpoint", notes=(), machine="a machine",
        versions={}, sets=(), candidates=items, layers=(), trails=(), run=Run(date="", seconds={}, peak_bytes=None),
    )  # fmt: skip
    return verdict_lines(conversion)


def test_every_candidate_is_told_with_what_its_verdict_rests_on() -> None:
    reference, candidate, auc, flips = lines(REFERENCE, told())
    assert reference == "fp32 on openvino: reference, 28.31 MB, 41.80 ms"
    assert candidate == "int8 on openvino: inconclusive, 7.40 MB, 12.40 ms"
    figures = "0.9500 -> 0.9456, bound -0.0061, margin 0.005"
    assert auc == f"  nodule auc (all, n = 400): {figures}: inconclusive, about 640 scans would tell"
    assert flips == "  nodule flips (all, n = 400): 0.0025, bound +0.0118, margin 0.01: passed"


def test_a_subgroup_is_named() -> None:
    row = replace(AUC, group="sex=F", n=200, verdict="passed", n_needed=None)
    said = lines(told(judgement=Judgement(verdict="passed", comparisons=(row,))))
    assert said[1] == "  nodule auc (sex=F, n = 200): 0.9500 -> 0.9456, bound -0.0061, margin 0.005: passed"


def test_problems_come_first_and_what_was_not_judged_last() -> None:
    judgement = Judgement(
        verdict="rejected", comparisons=(FLIPS,), problems=("Its map is constant.",),
        skipped=("nodule: site=tiny (10 scans)",),
    )  # fmt: skip
    first, problem, row, skipped = lines(told(judgement=judgement))
    assert first.startswith("int8 on openvino: rejected, ")
    assert problem == "  Its map is constant."
    assert row.startswith("  nodule flips ")
    assert skipped == "  nodule: site=tiny (10 scans): too few to judge"


def test_a_candidate_that_could_not_be_run_has_no_speed() -> None:
    died = Judgement(verdict="rejected", problems=("E502: it ran out of memory.",))
    assert lines(told(latency_ms=0.0, judgement=died)) == [
        "int8 on openvino: rejected, 7.40 MB",
        "  E502: it ran out of memory.",
    ]


def test_a_candidate_that_nobody_judged_is_not_said_to_have_passed() -> None:
    (line,) = lines(told(judgement=judge([])))
    assert line == "int8 on openvino: inconclusive, 7.40 MB, 12.40 ms"


def test_nothing_converted_is_nothing_to_say() -> None:
    assert lines() == []
