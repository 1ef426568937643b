"""A volume in windows, edgerun beside MONAI: the contenders' answers, and what is made of the numbers; not timed."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from benchmarks import systems_windows
from benchmarks.nets import export, manifest_of
from benchmarks.paired import Paired
from benchmarks.systems_windows import (
    FASTER,
    LARGEST_DIFFERENCE,
    PEERS,
    RECIPE,
    Contender,
    Report,
    Row,
    contenders,
    equality_of,
    example_volume,
    figures_of,
    has_monai,
    lines_of,
    phantom_volume,
    rows_of,
    speed_of,
)
from benchmarks.systems_windows_contenders import (
    LABELS,
    SCORES,
    VOLUME,
    Whole,
    WithEdgerun,
    WithMonai,
    unpacked,
    windows_of,
)
from convert.recipes.brain_tissue import build_model
from edge.errors import UsageError
from tests.conftest import ROOT

PEER = Contender(name="peer", engine="monai", precision="fp32", whole=Whole(recipe=RECIPE))
SLOWER = replace(PEER, name="slower peer")
OWN = Contender(name="own", engine="onnxruntime", precision="fp32", whole=Whole(recipe=RECIPE), onnx=b"o")
SMALL = replace(OWN, name="small", precision="int8")
SECONDS = {"peer": [2.0, 4.0], "slower peer": [3.0, 5.0], "own": [1.0, 2.0], "small": [0.5, 1.0]}
SAME = np.zeros((2, 2, 2), dtype=np.uint8)
ONE_WINDOW = (64, 64, 64)


def rows(*items: Contender, differences: dict[str, float] | None = None) -> tuple[Row, ...]:
    labels = {item.name: SAME for item in items}
    timed = Paired(seconds={item.name: SECONDS[item.name] for item in items})
    return rows_of(items, timed, labels, differences or {}, dict.fromkeys(labels, 1_000_000))


def report(found: tuple[Row, ...], *items: Contender) -> Report:
    return Report(
        recipe=RECIPE,
        volume="phantom",
        shape=(94, 117, 98),
        patch=ONE_WINDOW,
        overlap=0.25,
        windows=12,
        rounds=2,
        rows=found,
        speed=speed_of(items, found),
        equality=equality_of(found),
        notes=("A note.",),
        load=(0.5, 1.25),
    )


# The contenders' answers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def onnx() -> bytes:
    return export(RECIPE)


def test_in_one_window_edgerun_gives_the_shares_of_the_network_itself(onnx: bytes) -> None:
    volume = phantom_volume(ONE_WINDOW)
    whole = Whole(recipe=RECIPE, scores=True)
    with closing(WithEdgerun("onnxruntime", whole.packed(onnx), precision="fp32", threads=2)) as own:
        scores = own.infer({VOLUME: volume})[SCORES]
    import torch  # noqa: PLC0415 - it may not be there

    with torch.inference_mode():
        expected = torch.softmax(build_model()(torch.from_numpy(volume[None, None])), dim=1)[0].numpy()
    np.testing.assert_allclose(scores, expected, atol=LARGEST_DIFFERENCE)


def test_the_labels_that_are_timed_are_those_of_the_highest_scores(onnx: bytes) -> None:
    volume = phantom_volume((60, 70, 66))
    found = []
    for scores in (False, True):
        whole = Whole(recipe=RECIPE, scores=scores)
        with closing(WithEdgerun("onnxruntime", whole.packed(onnx), precision="fp32", threads=2)) as own:
            found.append(own.infer({VOLUME: volume}))
    labels, blended = found[0][LABELS], found[1][SCORES]
    assert labels.shape == volume.shape
    assert len(np.unique(labels)) > 1
    np.testing.assert_array_equal(labels, blended.argmax(axis=0))


def test_monai_gives_the_same_scores(onnx: bytes) -> None:
    pytest.importorskip("monai")
    volume, found = phantom_volume((60, 70, 66)), []
    for kind, model in ((WithEdgerun, onnx), (WithMonai, b"")):
        whole = Whole(recipe=RECIPE, scores=True)
        with closing(kind("onnxruntime", whole.packed(model), precision="fp32", threads=2)) as one:
            found.append(one.infer({VOLUME: volume})[SCORES])
    np.testing.assert_allclose(found[0], found[1], atol=LARGEST_DIFFERENCE)


def test_what_was_packed_is_unpacked() -> None:
    whole = Whole(recipe="unet3d", scores=True, at_a_time=4)
    assert unpacked(whole.packed(b"\n\x00model\n")) == (whole, b"\n\x00model\n")


@pytest.mark.parametrize("recipe", ["unet2d", "chest-pneumonia", "brats-unet3d"])
def test_a_recipe_without_windows_or_with_labels_that_overlap_is_refused(recipe: str) -> None:
    with pytest.raises(UsageError, match="seen in windows"):
        windows_of(manifest_of(recipe))


def test_the_example_is_put_together_from_its_windows_as_it_is_prepared() -> None:
    volume = example_volume(manifest_of(RECIPE))
    assert volume.shape == (94, 117, 98)
    assert np.isfinite(volume).all()
    assert volume[47, 58, 49] != volume[0, 0, 0]


def test_a_phantom_is_the_same_every_time_and_has_no_offset() -> None:
    volume = phantom_volume((8, 9, 10))
    np.testing.assert_array_equal(volume, phantom_volume((8, 9, 10)))
    assert (volume.mean(), volume.std()) == pytest.approx((0, 1), abs=1e-5)


# Who is set against whom -----------------------------------------------------------------------------------


def test_edgerun_is_measured_in_both_precisions_on_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems_windows, "available_engines", lambda: ("onnxruntime",))
    monkeypatch.setattr(systems_windows, "LOWERING", {"onnxruntime": lambda signed: signed + b"!"})
    own = [item for item in contenders(RECIPE, b"fp32", b"signed") if not item.peer]
    assert [(item.precision, item.onnx) for item in own] == [("fp32", b"fp32"), ("int8", b"signed!")]


@pytest.mark.parametrize("here", [True, False])
def test_the_peer_is_left_out_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch, here: bool) -> None:
    monkeypatch.setattr(systems_windows, "has_monai", lambda: here)
    monkeypatch.setattr(systems_windows, "available_engines", lambda: ())
    found = list(contenders(RECIPE, b"fp32", b"signed"))
    assert [item.name for item in found] == (list(PEERS) if here else [])
    assert all(item.peer for item in found)


def test_the_peer_is_looked_for_by_both_of_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "monai" else object())
    assert not has_monai()


# What is made of the numbers -------------------------------------------------------------------------------


def test_ratios_are_taken_against_the_faster_peer() -> None:
    peer, slower, own, small = rows(PEER, SLOWER, OWN, SMALL)
    assert (peer.faster, own.faster, small.faster) == (1, 2, 4)
    assert slower.faster is not None
    assert slower.faster < 1


def test_without_a_peer_there_are_seconds_and_nothing_else() -> None:
    (own,) = rows(OWN)
    assert (own.seconds, own.faster, own.difference, own.same_labels) == (1.5, None, None, None)
    assert speed_of([OWN], [own]) is None
    assert equality_of([own]) is None


def test_the_aim_of_speed_is_for_fp32_alone() -> None:
    found = rows(PEER, OWN, SMALL)
    assert speed_of([PEER, OWN, SMALL], found) == "met"
    slow = [replace(row, faster=1.2, low=1.1, high=1.3) if row.name == "own" else row for row in found]
    assert FASTER > 1.3
    assert speed_of([PEER, OWN, SMALL], slow) == "missed"


@pytest.mark.parametrize(
    ("difference", "outcome"), [(LARGEST_DIFFERENCE, "met"), (1.01 * LARGEST_DIFFERENCE, "missed")]
)
def test_the_largest_difference_of_any_engine_decides(difference: float, outcome: str) -> None:
    found = rows(PEER, OWN, SMALL, differences={"own": difference, "small": 0.0})
    assert equality_of(found) == outcome


def test_labels_are_compared_voxel_by_voxel() -> None:
    other = SAME.copy()
    other[0, 0, 0] = 1
    timed = Paired(seconds={"peer": [1.0], "own": [1.0]})
    _, own = rows_of([PEER, OWN], timed, {"peer": SAME, "own": other}, {}, {"peer": None, "own": None})
    assert own.same_labels == 7 / 8


def test_a_report_tells_size_numbers_aims_and_notes() -> None:
    lines = lines_of(report(rows(PEER, OWN, differences={"own": 2e-6}), PEER, OWN))
    assert lines[0].startswith("brain-tissue, phantom, 94 x 117 x 98 voxels, 12 windows of 64 x 64 x 64, overlap 0.25")
    assert lines[0].endswith("2 rounds, load 0.5 to 1.25")
    assert " ".join(lines[3].split()) == "own 1.50 2.00 (2.00 to 2.00) 2.0e-06 100.000% 1"
    assert lines[-3:] == ["aim 1.5 times as fast in FP32: met", "aim scores within 0.0001: met", "A note."]
    assert len({len(line) for line in lines[1:4]}) == 1


def test_the_page_gives_the_committed_figures() -> None:
    told = json.loads((ROOT / "benchmarks" / "results" / "windows.json").read_text(encoding="utf-8"))
    page = " ".join((ROOT / "docs" / "systems.md").read_text(encoding="utf-8").split())
    rows = {row["name"]: row for row in told["report"]["rows"]}
    plain = [rows[f"edgerun, FP32 on {engine}"] for engine in ("openvino", "onnxruntime")]
    for row in [*plain, rows["edgerun, INT8 on openvino"]]:
        figures = f"{row['low']:.2f} to {row['high']:.2f}"
        assert re.search(rf"{row['faster']:.2f} times \((95% interval )?{figures}\)", page), row["name"]
    assert f"scores differ by at most {max(row['difference'] for row in plain):.1e}" in page
    assert f"load {told['report']['load'][0]:.0f} to {told['report']['load'][1]:.0f}" in page
    assert f"MONAI {told['versions']['monai']}" in page
    assert (told["report"]["speed"], told["report"]["equality"]) == ("met", "met")


def test_the_better_engine_in_fp32_alone_has_the_aim_among_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    own, small = (replace(item, name=f"edgerun, {item.precision.upper()} on onnxruntime") for item in (OWN, SMALL))
    monkeypatch.setitem(SECONDS, own.name, SECONDS["own"])
    monkeypatch.setitem(SECONDS, small.name, SECONDS["small"])
    found = figures_of(report(rows(PEER, own, small), PEER, own, small))
    assert [(figure.found, figure.at_least) for figure in found] == [(2.0, FASTER), (4.0, None)]
    assert found[0].what == f"phantom, 12 windows: {own.name} (1.5 s) beside MONAI at its faster"
