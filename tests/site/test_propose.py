"""A threshold is proposed only where the scans show one; every other table is told why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import PackError, UsageError
from edge.pack.manifest import Label, Manifest
from edge.pack.store import Pack
from edge.reasons import SITE_SCANS_UNFIT, TOO_FEW_LABELLED, Reason
from edge.site.examine import Engine, Examined
from edge.site.kept import Kept, SiteFile
from edge.site.propose import Proposal, Wanted, check_wanted, proposal
from edge.site.told import kept_lines, proposal_lines
from edge.testing import tiny_manifest, tiny_segmentation, tiny_threshold
from tests.site.cases import FAILED, TASK, case, cases, drawn, table, tiny

WANTED = Wanted(sensitivity=0.9)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return tiny(tmp_path / "tiny")


def of_counts(positives: int, negatives: int) -> list[Examined]:
    """Scans that a model tells apart well, though not without an error."""
    scores = [*np.linspace(0.3, 0.99, positives), *np.linspace(0.01, 0.6, negatives)]
    return cases(scores, [True] * positives + [False] * negatives)


def proposed(pack: Pack, examined: Sequence[Examined], wanted: Wanted = WANTED) -> Proposal:
    return proposal(pack, table(examined), examined, wanted)


def refused(pack: Pack, examined: Sequence[Examined], wanted: Wanted = WANTED) -> tuple[Reason, str]:
    with pytest.raises(PackError) as caught:
        proposed(pack, examined, wanted)
    return caught.value.reason, caught.value.message


def test_it_is_bound_to_pack_precision_engine_and_table(pack: Pack) -> None:
    decided = proposed(pack, of_counts(60, 60), replace(WANTED, decided_by="Dr A")).decided
    assert decided.bound_to == (pack.sha256, "fp32", "onnxruntime")
    assert (decided.table_sha256, decided.rows, decided.decided_by) == ("a" * 64, 120, "Dr A")


def test_it_reaches_the_sensitivity_that_was_asked_for(pack: Pack) -> None:
    label = proposed(pack, of_counts(60, 60)).decided.labels["bright"]
    assert label.sensitivity.value >= 0.9
    assert label.sensitivity.n == label.specificity.n == 60
    assert label.calibration is not None
    assert (label.calibration.n, label.calibration.positives) == (120, 60)


def test_a_higher_sensitivity_costs_specificity(pack: Pack) -> None:
    low, high = (proposed(pack, of_counts(80, 80), Wanted(sensitivity=share)).decided for share in (0.8, 0.95))
    assert high.labels["bright"].threshold < low.labels["bright"].threshold
    assert high.labels["bright"].specificity.value < low.labels["bright"].specificity.value


def test_only_a_threshold_where_no_probability_is_wanted(pack: Pack) -> None:
    decided = proposed(pack, of_counts(60, 60), replace(WANTED, calibrated=False)).decided
    assert decided.labels["bright"].calibration is None


@pytest.mark.parametrize(("positives", "negatives"), [(28, 100), (100, 29), (0, 100), (100, 0)])
def test_too_few_patients_are_refused_with_how_many_it_takes(pack: Pack, positives: int, negatives: int) -> None:
    reason, message = refused(pack, of_counts(positives, negatives))
    assert reason is TOO_FEW_LABELLED
    assert f"found {positives} patients with it and {negatives} without" in message
    assert "fewer than 29 with it" in message
    assert "30 without" in message


def test_the_least_that_is_enough_is_taken(pack: Pack) -> None:
    assert proposed(pack, of_counts(29, 30)).decided.labels["bright"].sensitivity.value == 1.0


def test_scans_of_few_patients_are_few(pack: Pack) -> None:
    scores, truth = drawn(200, seed=1)
    few = cases(scores, truth, patients=[str(index % 20) for index in range(200)])
    assert refused(pack, few)[0] is TOO_FEW_LABELLED


def test_too_many_scans_without_an_answer_are_refused(pack: Pack) -> None:
    found = of_counts(60, 60)
    lost = [case(500 + index, None, truth=True, reason=FAILED) for index in range(31)]
    assert proposed(pack, [*found, *lost[:30]]).decided.failed == 30
    reason, message = refused(pack, [*found, *lost])
    assert reason is SITE_SCANS_UNFIT
    assert "31 of 151 scans have no answer" in message


def test_a_model_that_does_not_tell_them_apart_gets_no_threshold(pack: Pack) -> None:
    scores, truth = drawn(150, seed=2)
    reason, message = refused(pack, cases(np.random.default_rng(3).permutation(scores), truth))
    assert reason is SITE_SCANS_UNFIT
    assert "0.5 is chance" in message
    assert refused(pack, cases(1 - scores, truth))[0] is SITE_SCANS_UNFIT


def test_results_of_two_engines_are_not_mixed(pack: Pack) -> None:
    found = of_counts(60, 60)
    found[3] = replace(found[3], engine=Engine(name="openvino", version="1", precision="fp32"))
    with pytest.raises(UsageError, match="fp32 on onnxruntime and fp32 on openvino"):
        proposed(pack, found)


def test_what_makes_no_sense_is_refused_before_anything_is_examined(pack: Pack, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found a sensitivity of 1, expected one from 0\.5 to 0\.99"):
        check_wanted(pack, Wanted(sensitivity=1.0))
    with pytest.raises(UsageError, match="found the label 'brihgt', expected some of bright"):
        check_wanted(pack, Wanted(sensitivity=0.9, labels=("brihgt",)))
    classes = (Label(name="normal", title="Normal", finding=False), *TASK.labels)
    others: tuple[tuple[Manifest, str], ...] = (
        (
            tiny_manifest(task=replace(TASK, mode="multi-class", activation="softmax", labels=classes)),
            "multi-class classification",
        ),
        (tiny_manifest(task=tiny_segmentation()), "segmentation"),
    )
    for index, (manifest, words) in enumerate(others):
        with pytest.raises(UsageError, match=f"found a pack for {words}"):
            check_wanted(tiny(tmp_path / str(index), manifest), WANTED)


def test_of_several_labels_those_that_were_asked_for_are_set(tmp_path: Path) -> None:
    labels = (*TASK.labels, Label(name="round", title="Round", finding=True))
    limits = {"bright": tiny_threshold(0.5), "round": tiny_threshold(0.5)}
    manifest = tiny_manifest(
        task=replace(TASK, mode="multi-label", labels=labels),
        models=(replace(tiny_manifest().models[0], thresholds=limits),),
    )
    pack = tiny(tmp_path / "two", manifest)
    found = [
        replace(each, labels=(each.labels[0], replace(each.labels[0], name="round"))) for each in of_counts(60, 60)
    ]
    assert refused(pack, found)[1].startswith("Calibrating tiny for round: found 0 patients with it and 0 without")
    assert list(proposed(pack, found, replace(WANTED, labels=("bright",))).decided.labels) == ["bright"]


def test_before_and_after_stand_side_by_side(pack: Pack) -> None:
    found = proposed(pack, of_counts(60, 60))
    said = proposal_lines(found)
    label, before = found.decided.labels["bright"], found.before["bright"]
    assert any("now (the pack's)" in line and "proposed for this site" in line for line in said)
    assert any(line.split() == ["threshold", "0.5", f"{label.threshold:.4g}"] for line in said)
    (sensitivity,) = (line for line in said if line.startswith("sensitivity"))
    assert f"{before.sensitivity.hits} of 60" in sensitivity
    assert f"{label.sensitivity.hits} of 60" in sensitivity
    assert any("60 of 120 scans of the table have it (50%)" in line for line in said)


def test_what_was_decided_is_shown_and_what_is_stale_is_said_to_be(pack: Pack) -> None:
    decided = proposed(pack, of_counts(60, 60), replace(WANTED, decided_by="Dr A")).decided
    kept = Kept(file=SiteFile(pack="tiny", sets=(decided,)), sha256="d" * 64)
    said = "\n".join(kept_lines(kept, pack.sha256))
    assert "by Dr A, from 120 scans (0 refused, 0 failed)" in said
    assert "ANOTHER PACK" not in said
    assert "ANOTHER PACK than is installed now: not used" in "\n".join(kept_lines(kept, "e" * 64))
