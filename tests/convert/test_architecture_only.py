"""A network without training becomes a pack that runs and refuses: what it costs is shown, what it says is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from convert.build import MAX_STEPS, SPEED_SCANS, build
from convert.document import Conversion
from convert.outputs import REPORT
from convert.phantoms import COUNT, phantom_feeds
from convert.road import Sets, Ways, plan_of, travel
from convert.tune import UNTRAINED
from edge.pack.manifest import Accepts
from edge.pack.store import open_pack
from edge.testing import tiny_input, tiny_manifest
from tests.conftest import Edgerun
from tests.convert.scans import (
    BRIGHT,
    SENSITIVE,
    Bench,
    Heard,
    brightness_net,
    converted,
    describe,
    pictures,
    quick,
    write_pictures,
)


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with quick():
        yield


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("untrained")
    (folder / "net.onnx").write_bytes(brightness_net())
    rules = {"bright": SENSITIVE}
    pack = describe(folder / "pack.json", BRIGHT, rules, status="architecture-only")
    return Bench(model=folder / "net.onnx", describe=pack, calibrate=None, evaluate=None)


@pytest.fixture(scope="module")
def out(untrained: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command makes without any scan."""
    folder = tmp_path_factory.mktemp("out")
    ran = converted(*untrained.arguments, "--out", folder)
    assert ran.code == 0, ran.err
    assert "calibrating INT8 with generated scans (minmax)" in ran.err
    return folder


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "scans", pictures(1, seed=4)[0])[0]


# Without any scan ----------------------------------------------------------------------------------------


def test_every_precision_is_in_the_pack_and_none_is_proven(out: Path) -> None:
    models = open_pack(out / "workshop").manifest.models
    assert {model.precision: model.verdict for model in models} == {
        "fp32": "reference",
        "fp16": "inconclusive",
        "int8": "inconclusive",
    }
    assert all(model.speed is None for model in models)
    assert {model.thresholds["bright"].rule for model in models} == {UNTRAINED}
    assert open_pack(out / "workshop").manifest.evidence == ()


def test_nothing_is_measured_and_the_report_says_so(out: Path) -> None:
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    assert report["pack"]["status"] == "architecture-only"
    assert report["sets"] == []
    for item in report["candidates"]:
        assert (item["latency_ms"], item["evidence"], item["curves"]) == (0.0, [], [])
    assert [len(trail["steps"]) for trail in report["trails"]] == [1]


def test_the_pack_runs_and_refuses_what_it_says(out: Path, scan: Path, edgerun: Edgerun, tmp_path: Path) -> None:
    """The model really ran: its time is in the report."""
    ran = edgerun("infer", scan, "--pack", out / "workshop", "--json", "--out", tmp_path / "r")
    assert ran.code == 7
    (report,) = ran.reports
    (result,) = report["results"]
    assert result["state"] == "not-analysed"
    assert [refusal["code"] for refusal in result["refusals"]] == ["C713"]
    assert result["findings"] is None
    assert report["run"]["seconds"]["infer"] > 0


def test_its_int8_model_runs_when_asked_for_by_name(out: Path, scan: Path, edgerun: Edgerun, tmp_path: Path) -> None:
    asked = ["infer", scan, "--pack", out / "workshop", "--precision", "int8", "--json", "--out", tmp_path / "r"]
    ran = edgerun(*asked)
    assert ran.code == 7
    assert ran.reports[0]["run"]["seconds"]["infer"] > 0
    assert [refusal["code"] for refusal in ran.reports[0]["results"][0]["refusals"]] == ["C713"]


def test_the_pack_is_checked_and_shown(out: Path, edgerun: Edgerun) -> None:
    assert edgerun("pack", "check", out / "workshop").code == 0
    card = edgerun("pack", "show", out / "workshop", "--card")
    assert card.code == 0
    assert card.out


# With scans ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timed(untrained: Bench, tmp_path_factory: pytest.TempPathFactory) -> tuple[Conversion, Heard]:
    folder = tmp_path_factory.mktemp("timed")
    paths = write_pictures(folder / "calibrate", pictures(SPEED_SCANS + 4, seed=6)[0])
    ways = Ways(precisions=("fp32", "int8"), max_steps=MAX_STEPS)
    heard = Heard()
    road = untrained.road(folder / "out", ways, calibrate=folder / "calibrate", golden=(paths[0],))
    return travel(road, heard), heard


def test_scans_that_calibrate_show_how_fast_it_is(timed: tuple[Conversion, Heard]) -> None:
    conversion, heard = timed
    assert all(item.latency_ms > 0 for item in conversion.candidates)
    assert f"timing on {SPEED_SCANS} scans" in heard.lines
    assert (SPEED_SCANS, SPEED_SCANS, "scans") in heard.counts
    assert [used.use for used in conversion.sets] == ["calibrate"]


def test_nothing_is_searched_for_without_a_set_to_tune(timed: tuple[Conversion, Heard]) -> None:
    conversion, _ = timed
    (trail,) = conversion.trails
    assert [(step.given_back, step.metric, step.accepted) for step in trail.steps] == [((), "none", False)]


def test_a_candidate_that_cannot_be_run_is_rejected_all_the_same(untrained: Bench, tmp_path: Path) -> None:
    write_pictures(tmp_path, pictures(3, seed=6)[0])
    plan = plan_of(untrained.description, untrained.onnx, Sets(calibrate=tmp_path), Ways(precisions=("fp32",)),
                   given={"int8": b"no model"})  # fmt: skip
    built = build(plan, Heard())
    judgement = built.candidates[1].judgement
    assert judgement is not None
    assert judgement.verdict == "rejected"
    assert judgement.problems[0].startswith("E501: ")


# Generated scans -----------------------------------------------------------------------------------------


def test_generated_scans_are_prepared_as_real_ones_and_the_same_every_time() -> None:
    manifest = tiny_manifest(inputs=(tiny_input(size=8),))
    first, second = (list(phantom_feeds(manifest)) for _ in range(2))
    assert len(first) == COUNT
    for one, other in zip(first, second, strict=True):
        assert one["image"].shape == (1, 1, 8, 8)
        assert one["image"].tobytes() == other["image"].tobytes()
        assert 0 <= one["image"].min() < one["image"].max() <= 1
    assert len({feed["image"].tobytes() for feed in first}) == COUNT


def test_generated_scans_have_colour_where_the_pack_asks_for_it() -> None:
    colour = tiny_input(channels=3, size=8, steps=[
        {"step": "resize", "height": 8, "width": 8, "interpolation": "area"},
        {"step": "channels", "order": "rgb"},
    ])  # fmt: skip
    assert colour.accepts == Accepts(stack="picture", colour="rgb")
    feeds = list(phantom_feeds(tiny_manifest(inputs=(colour,))))
    assert {feed["image"].shape for feed in feeds} == {(1, 3, 8, 8)}
    assert not np.array_equal(feeds[0]["image"][:, 0], feeds[0]["image"][:, 1])
