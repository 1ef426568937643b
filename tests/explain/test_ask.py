"""Explaining on request: what is kept, what is withheld and why, and that it costs nothing unless it is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.errors import UsageError
from edge.explain.ask import explain
from edge.explain.faithfulness import ORDERS, runs_of_test
from edge.explain.told import way_of
from edge.findings import Refusal
from edge.options import Options
from edge.pack.manifest import ClassificationTask, Windows
from edge.pipeline import examine
from edge.reasons import CONSTANT_MAP, NOT_EXPLAINED, UNFAITHFUL_MAP
from edge.testing import tiny_segmentation
from tests.explain.planted import (
    BRIGHT,
    engine_of,
    explained,
    looks_at,
    looks_at_nothing,
    looks_at_what_is_bright,
    manifest_of,
    with_square,
)
from tests.prepare.images import step
from tests.tasks.models import classification, label, model_of, with_task
from tests.write.outcomes import outcome, refusal, words_of

SQUARE = (4, 8, 11, 15)
SCAN = with_square((28, 28), SQUARE)
TRUTH = np.zeros((7, 7))
TRUTH[1:3, 2:4] = 1.0


def test_occlusion_makes_a_map_for_a_pack_without_one_and_tests_it() -> None:
    found, warnings = explained("occlusion", SCAN, manifest_of(), engine_of(looks_at_what_is_bright))
    (shown,) = found.maps
    assert shown.label == "bright"
    assert found.map_rule is not None
    assert found.map_rule.startswith("occlusion: 169 patches of 4 x 4 out of 28 x 28")
    assert [item.holds for item in found.faithfulness] == [True]
    assert warnings == ()


def test_the_packs_own_map_is_kept_where_it_passes() -> None:
    found, warnings = explained("map", SCAN, manifest_of(cam=True), engine_of(looks_at(SQUARE), TRUTH))
    assert [shown.label for shown in found.maps] == ["bright"]
    assert np.array_equal(found.maps[0].values[0], TRUTH.astype(np.float32))
    assert (found.map_rule, warnings) == (None, ())
    assert found.faithfulness[0].beaten == ORDERS


def test_the_packs_own_map_is_withheld_where_it_fails_and_what_was_measured_stays() -> None:
    found, warnings = explained("map", SCAN, manifest_of(cam=True), engine_of(looks_at(SQUARE), TRUTH[::-1]))
    assert found.maps == ()
    (tested,) = found.faithfulness
    (note,) = warnings
    assert note.reason is UNFAITHFUL_MAP
    assert note.severity == "warn"
    assert note.detail == f"Label 'Bright': better than {tested.beaten} of 19 random orders, expected all of them."


def test_a_model_that_looks_at_nothing_gives_a_constant_map_that_is_withheld() -> None:
    found, warnings = explained("occlusion", SCAN, manifest_of(), engine_of(looks_at_nothing))
    assert (found.maps, found.faithfulness) == ((), ())
    (note,) = warnings
    assert note.reason is CONSTANT_MAP


def test_occlusion_takes_the_place_of_a_constant_map_of_the_pack_and_of_its_warning() -> None:
    engine = engine_of(looks_at_what_is_bright, np.ones((7, 7)))
    plain = examine({"image": SCAN}, manifest_of(cam=True), model_of(manifest_of(cam=True)), engine)
    assert [note.reason for note in plain.warnings] == [CONSTANT_MAP]
    found, warnings = explained("occlusion", SCAN, manifest_of(cam=True), engine)
    assert len(found.maps) == 1
    assert warnings == ()


def test_every_run_is_told_and_none_is_left() -> None:
    heard: list[tuple[int, int]] = []
    explained("occlusion", SCAN, manifest_of(), engine_of(looks_at_what_is_bright), lambda *of: heard.append(of))
    total = 1 + 169 + runs_of_test(1)
    assert heard == [(done, total) for done in range(1, total + 1)]


def test_only_what_can_be_a_finding_is_explained() -> None:
    manifest = classification(
        "multi-class",
        [BRIGHT, label("dark", finding=False)],
        {"bright": 0.5},
        activation="softmax",
        steps=[step("voi_window")],
        size=28,
    )
    engine = engine_of(lambda image: [looks_at_what_is_bright(image)[0], 0.0])
    found, _ = explained("occlusion", SCAN, manifest, engine)
    assert [shown.label for shown in found.maps] == ["bright"]
    assert [item.label for item in found.faithfulness] == ["bright"]


# What cannot be explained --------------------------------------------------------------------------------


def test_a_pack_without_a_map_has_none_to_test() -> None:
    found, (note,) = explained("map", SCAN, manifest_of(), engine_of(looks_at_what_is_bright))
    assert note.reason is NOT_EXPLAINED
    assert note.detail == "The model gave no influence map; ask for --explain occlusion."
    assert found.faithfulness == ()


def test_windows_are_their_own_map() -> None:
    manifest = manifest_of()
    assert isinstance(manifest.task, ClassificationTask)
    manifest = replace(manifest, task=replace(manifest.task, windows=Windows()))
    engine = engine_of(looks_at_what_is_bright)
    found = examine({"image": SCAN}, manifest, model_of(manifest), engine)
    _, warnings = explain("occlusion", (found.findings, ()), {"image": SCAN}, manifest, engine)
    assert [note.reason for note in warnings] == [NOT_EXPLAINED]


def test_outlines_are_left_as_they_are() -> None:
    manifest = with_task(tiny_segmentation(), {"bright": 0.5}, steps=[step("voi_window")], size=28)
    engine = engine_of(looks_at_nothing)
    engine._answer = lambda feeds: {"scores": 20.0 * (feeds["image"] - 0.5)}
    found = examine({"image": SCAN}, manifest, model_of(manifest), engine)
    findings, (note,) = explain("occlusion", (found.findings, ()), {"image": SCAN}, manifest, engine)
    assert findings is found.findings
    assert note.reason is NOT_EXPLAINED
    assert note.detail == "Found the task segmentation, expected scores of a whole scan."


def test_a_refusal_stays_a_refusal() -> None:
    engine = engine_of(looks_at_nothing)
    said = Refusal(notices=refusal().notices), ()
    assert explain("occlusion", said, {"image": SCAN}, manifest_of(), engine) == said
    assert engine.runs == []  # type: ignore[attr-defined]


# What is asked for ---------------------------------------------------------------------------------------


def test_a_way_is_named_by_its_name() -> None:
    assert [way_of(name) for name in ("map", "occlusion", None)] == ["map", "occlusion", None]
    with pytest.raises(UsageError, match="Reading --explain 'lime': expected one of map, occlusion"):
        way_of("lime")


def test_a_request_for_an_explanation_is_another_request() -> None:
    told = [str(Options(explain=way).told()) for way in (None, "map", "occlusion")]
    assert len(set(told)) == 3
    assert Options().told() == Options(explain=None).told()


# What is shown -------------------------------------------------------------------------------------------


def test_a_map_that_passed_says_so_on_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = explained("map", SCAN, manifest_of(cam=True), engine_of(looks_at(SQUARE), TRUTH))
    assert "Influence map, not the outline of a lesion; tested" in words_of(monkeypatch, outcome(SCAN, found))


def test_a_map_that_failed_is_not_drawn_and_the_picture_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    found, warnings = explained("map", SCAN, manifest_of(cam=True), engine_of(looks_at(SQUARE), TRUTH[::-1]))
    said = words_of(monkeypatch, outcome(SCAN, found, warnings=warnings))
    assert "The influence map failed its test and is not drawn." in said
    assert any(text.startswith("Warning C756: Hiding what the influence map marks") for text in said)
