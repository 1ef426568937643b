"""A site's threshold holds for exactly what it was set for, and every result says whose threshold decided."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.pack.manifest import Calibration, Label, Model
from edge.pack.store import Pack
from edge.pack.trust import Zone
from edge.ready.rule import Plan
from edge.reasons import SITE_THRESHOLD_NOT_USED
from edge.site.applied import applied
from edge.site.kept import Kept, SiteFile
from edge.site.named import site_lines, threshold_word
from edge.testing import tiny_manifest, tiny_threshold
from edge.write.words import label_lines
from tests.site.cases import TASK, tiny
from tests.site.sets import CALIBRATION, site_label, site_set
from tests.write.outcomes import classified, outcome, picture_scan, score


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return tiny(tmp_path / "tiny")


def plan_of(pack: Pack, **changes: Any) -> Plan:
    return Plan(engine="onnxruntime", model=replace(pack.manifest.models[0], **changes))


def kept(*sets: Any) -> Kept:
    return Kept(file=SiteFile(pack="tiny", sets=sets), sha256="d" * 64)


def test_the_sites_number_takes_the_place_of_the_packs(pack: Pack) -> None:
    plan, site = applied(kept(site_set(pack.sha256)), pack, plan_of(pack))
    assert plan.model.thresholds["bright"].value == 0.3
    assert plan.model.calibration["bright"] == CALIBRATION
    assert plan.notices == ()
    assert site is not None
    assert site.labels["bright"].threshold == 0.3
    assert (site.labels["bright"].positives, site.labels["bright"].negatives) == (40, 50)
    assert (site.file_sha256, site.table_sha256) == ("d" * 64, "c" * 64)
    assert pack.manifest.models[0].thresholds["bright"].value == 0.5


def test_who_decided_stands_in_no_result(pack: Pack) -> None:
    _, site = applied(kept(site_set(pack.sha256)), pack, plan_of(pack))
    assert "Dr A" not in repr(site)


def test_the_right_one_of_several_sets_is_taken(pack: Pack) -> None:
    sets = (site_set("e" * 64), site_set(pack.sha256, labels={"bright": site_label(0.7)}))
    assert applied(kept(*sets), pack, plan_of(pack))[0].model.thresholds["bright"].value == 0.7


@pytest.mark.parametrize(
    "change",
    [{"pack_sha256": "e" * 64}, {"precision": "int8"}, {"engine": "openvino"}],
    ids=["another pack", "another precision", "another engine"],
)
def test_what_was_set_for_something_else_is_not_used_and_that_is_said(pack: Pack, change: dict[str, str]) -> None:
    stale = replace(site_set(pack.sha256), **change)  # type: ignore[arg-type]
    plan, site = applied(kept(stale), pack, plan_of(pack))
    assert site is None
    assert plan.model.thresholds["bright"].value == 0.5
    assert plan.model.calibration == {}
    (notice,) = plan.notices
    assert (notice.reason, notice.severity) == (SITE_THRESHOLD_NOT_USED, "warn")
    assert "Runs now: fp32 on onnxruntime" in notice.detail
    assert f"{stale.precision} on {stale.engine}, pack {stale.pack_sha256[:8]}" in notice.detail


def test_a_label_that_was_not_set_keeps_the_packs_threshold(tmp_path: Path) -> None:
    labels = (*TASK.labels, Label(name="round", title="Round", finding=True))
    limits = {"bright": tiny_threshold(0.5), "round": tiny_threshold(0.6)}
    manifest = tiny_manifest(
        task=replace(TASK, mode="multi-label", labels=labels),
        models=(replace(tiny_manifest().models[0], thresholds=limits),),
    )
    pack = tiny(tmp_path / "two", manifest, threshold=0.6)
    plan, site = applied(kept(site_set(pack.sha256)), pack, plan_of(pack))
    assert {name: each.value for name, each in plan.model.thresholds.items()} == {"bright": 0.3, "round": 0.6}
    assert threshold_word(site, "bright") == "site threshold"
    assert threshold_word(site, "round") == "threshold"
    assert threshold_word(None, "bright") == "threshold"


def test_a_threshold_without_a_calibration_leaves_the_packs_own(pack: Pack) -> None:
    own = Calibration(method="logistic", slope=1.0, intercept=0.0, rule="r", chosen_on="o", n=9, positives=3)
    bare = site_set(pack.sha256, labels={"bright": site_label(calibration=None)})
    plan, _ = applied(kept(bare), pack, plan_of(pack, calibration={"bright": own}))
    assert plan.model.calibration == {"bright": own}


@pytest.mark.parametrize(("threshold", "zone"), [(0.3, (0.3, 0.6)), (0.5, (0.4, 0.6)), (0.8, (0.4, 0.8))])
def test_between_the_packs_doubt_and_the_sites_threshold_a_reader_decides(
    pack: Pack, threshold: float, zone: tuple[float, float]
) -> None:
    doubt = Zone(low=0.4, high=0.6, rule="r", chosen_on="o", n=9)
    decided = site_set(pack.sha256, labels={"bright": site_label(threshold)})
    model: Model = applied(kept(decided), pack, plan_of(pack, uncertain={"bright": doubt}))[0].model
    assert (model.uncertain["bright"].low, model.uncertain["bright"].high) == zone


def test_a_result_says_where_its_threshold_comes_from(pack: Pack) -> None:
    _, site = applied(kept(site_set(pack.sha256)), pack, plan_of(pack))
    scan = picture_scan(np.zeros((20, 30), np.uint8))
    plain = outcome(scan, classified(scan, score("Bright", 0.6, threshold=0.3))).result
    told = replace(plain, site=site)
    (line,) = site_lines(told)
    assert "Bright, 0.3, was set at this site on 2026-05-04 from 40 patients with it and 50 without" in line
    assert "dddddddd" in line
    assert site_lines(plain) == []
    assert "reaches the site threshold 0.30" in label_lines(told)[0][0].text
    assert "reaches the threshold 0.30" in label_lines(plain)[0][0].text
