"""The permission to decode smaller is given for what was measured, and for nothing less."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from convert.assemble import write_pack
from convert.cli import app
from convert.reduced import Verdict, coded, decoded, difference, measure_reduced, tolerance_of, with_reduced
from edge.errors import UsageError
from edge.findings import Classification, LabelScore, Notice, Refusal
from edge.pack.manifest import Manifest, Threshold
from edge.pack.store import Pack, open_pack
from edge.pipeline import Examination
from edge.read.dicom import DicomReader
from edge.reasons import SATURATED, UNLIKE
from edge.scan import Acquisition, Scan
from edge.testing import golden_case, phantom_scan, tiny_input, tiny_manifest, tiny_segmentation, write_tiny_pack
from tests.read.dicom_files import LIMIT, describe, series_of
from tests.reduced import REDUCED, film, write_film

SIDE, LEAST = 130, 64
"""Of films, which are halved once, to 65; a pack's own least side would take films that take long."""
N = 4


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convert.reduced.least_side_of", lambda _: LEAST)


def scan(seed: int = 0, side: int = SIDE) -> Scan:
    """A film of 12 bits that is one large shade with noise, brighter or darker by its seed."""
    y, x = np.mgrid[:side, :side] / side
    shade = 1500 + 1200 * x + 600 * np.sin(4 * y) + np.random.default_rng(seed).normal(0, 10, (side, side))
    pixels: NDArray[Any] = np.clip(shade * (0.5 + 0.1 * seed), 0, 4095).astype(np.uint16)
    told = Acquisition(modality="DX", photometric="MONOCHROME2", bits_stored=12, lossy=False)
    plain = phantom_scan((1, side, side), spacing_mm=(0.1, 0.1), acquisition=told)
    return replace(plain, voxels=pixels[np.newaxis], value_range=(0.0, 4095.0))


def scans(count: int = N) -> Iterator[Scan]:
    return (scan(seed) for seed in range(count))


def pack(folder: Path, manifest: Manifest | None = None) -> Pack:
    return open_pack(write_tiny_pack(folder / "pack", manifest))


def measured(folder: Path, manifest: Manifest | None = None, **options: Any) -> Verdict:
    chosen = {"least_scans": N, **options}
    return measure_reduced(pack(folder, manifest), scans(), "four films", lambda _: None, **chosen)


def test_a_pack_that_says_the_same_is_allowed_and_tells_what_it_rests_on(tmp_path: Path) -> None:
    reduced = measured(tmp_path).reduced
    assert reduced is not None
    assert (reduced.least_side, reduced.measured_on) == (LEAST, "four films")
    found = [(each.precision, each.coding, each.n, each.spoilt) for each in reduced.compared]
    assert found == [("fp32", "lossless", N, N), ("fp32", "lossy", N, N)]
    assert all(each.halvings == (1, 1) and each.least_ratio == 65 / 4 for each in reduced.compared)
    assert all(0 < each.largest_difference <= each.tolerance == 0.001 for each in reduced.compared)


def test_too_few_scans_allow_nothing(tmp_path: Path) -> None:
    verdict = measured(tmp_path, least_scans=N + 1)
    assert verdict.reduced is None
    assert "found 4 scans, fewer than 5 prove nothing" in verdict.words[0]


def test_a_score_that_differs_by_more_than_the_tolerance_allows_nothing(tmp_path: Path) -> None:
    verdict = measured(tmp_path, tolerance=0.0)
    assert verdict.reduced is None
    assert "allowed 0" in verdict.words[0]


def test_scans_too_small_to_be_halved_prove_nothing(tmp_path: Path) -> None:
    verdict = measure_reduced(pack(tmp_path), [scan(side=100)], "small", lambda _: None, least_scans=1)
    assert verdict.reduced is None
    assert "found 0 scans" in verdict.words[0]


def test_scans_that_the_pack_refuses_prove_nothing(tmp_path: Path) -> None:
    accepts = replace(tiny_input().accepts, modality=("CR",))
    verdict = measured(tmp_path, tiny_manifest(inputs=(replace(tiny_input(), accepts=accepts),)))
    assert verdict.reduced is None
    assert "of 0 scans" in verdict.words[0]


def aliasing(value: float) -> Manifest:
    """A pack that takes single points of the picture, and so sees its finest detail."""
    steps = ({"step": "voi_window"}, {"step": "resize", "height": 4, "width": 4, "interpolation": "nearest"})
    manifest = tiny_manifest(inputs=(tiny_input(steps=steps),))
    threshold = Threshold(value=value, rule="none", chosen_on="nothing", n=1)
    return replace(manifest, models=(replace(manifest.models[0], thresholds={"bright": threshold}),))


def test_a_pack_to_which_the_finest_detail_matters_is_not_allowed(tmp_path: Path) -> None:
    verdict = measured(tmp_path, aliasing(0.5))
    assert verdict.reduced is None
    assert "At least 64 pixels on each side. fp32 lossless: decided otherwise on 0 of 4" in verdict.words[0]


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (tiny_manifest(task=tiny_segmentation()), "places in pixels"),
        (tiny_manifest(status="architecture-only"), "expected 'trained'"),
        (tiny_manifest(models=(replace(tiny_manifest().models[0], engines=("tensorrt",)),)), "which is not here"),
    ],
)
def test_a_pack_that_cannot_be_measured_is_told_why(tmp_path: Path, manifest: Manifest, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        measured(tmp_path, manifest)


def test_values_that_are_no_whole_numbers_cannot_be_compressed() -> None:
    with pytest.raises(UsageError, match="found float32"):
        coded(replace(scan(), voxels=scan().voxels.astype(np.float32)), "lossless")


@pytest.mark.parametrize(("low", "high"), [(0, 4000), (-2048, 2047), (-1024, 3071)])
def test_values_in_real_units_are_compressed_with_as_many_bits_as_they_need(low: int, high: int) -> None:
    """The last are those of 12 bits with an intercept: they need 13, and get 16."""
    values = np.linspace(low, high, SIDE * SIDE).reshape(1, SIDE, SIDE).astype(np.int16)
    real = replace(scan(), voxels=values, value_range=(float(low), float(high)))
    assert np.array_equal(decoded(real, coded(real, "lossless"), 0).voxels, values)


def test_the_tolerance_is_that_of_the_known_answers() -> None:
    case = golden_case("a.dcm", b"", score=0.5, tolerance=0.003)
    assert tolerance_of(tiny_manifest(golden=(case,)), "fp32") == 0.003
    assert [tolerance_of(tiny_manifest(), precision) for precision in ("fp32", "int8")] == [0.001, 0.02]


@pytest.mark.parametrize("side", [0, LEAST])
def test_what_is_measured_is_what_is_read(tmp_path: Path, side: int) -> None:
    """The workshop's short way, without a file, and the reader's from a file give one scan."""
    path = write_film(tmp_path / "film.dcm", film(SIDE))
    series = replace(series_of([describe(path)]), least_side=side)
    read = DicomReader().load(series, LIMIT, lambda _: None)
    whole = DicomReader().load(replace(series, least_side=0), LIMIT, lambda _: None)
    made = decoded(whole, coded(whole, "lossless"), 1 if side else 0)
    assert np.array_equal(made.voxels, read.voxels)
    assert made.voxels.dtype == read.voxels.dtype
    assert (made.grid, made.stored) == (read.grid, read.stored)


def said(score: float = 0.5, *, warned: bool = False, **label: Any) -> Examination:
    told = LabelScore(
        name="a", title="A", code=None, score=score, threshold=0.4, positive=True, finding=True, urgency="soon"
    )
    findings = Classification(labels=(replace(told, **label),), grade=None, grid=phantom_scan((1, 2, 2)).grid)
    note = Notice(reason=SATURATED, severity="warn", detail="")
    return Examination(findings=findings, warnings=(note,) * warned)


def refused(*, otherwise: bool = False) -> Examination:
    reason = UNLIKE if otherwise else SATURATED
    return Examination(findings=Refusal(notices=(Notice(reason=reason, severity="refuse", detail=""),)), warnings=())


def test_whatever_is_decided_otherwise_is_noticed() -> None:
    changed = [
        said(positive=False), said(urgency="urgent"), said(uncertain=True), said(warned=True), refused(),
    ]  # fmt: skip
    assert all(difference(said(), each).decision for each in changed)
    assert difference(refused(), refused(otherwise=True)).decision
    assert not difference(refused(), refused()).decision
    assert not difference(refused(), refused()).examined


def test_scores_are_compared_where_nothing_else_differs() -> None:
    found = difference(said(0.5), said(0.53))
    assert (found.examined, found.decision) == (True, False)
    assert found.score == pytest.approx(0.03)


def test_the_pack_with_the_permission_is_the_same_pack_otherwise(tmp_path: Path) -> None:
    before = pack(tmp_path)
    write_pack(tmp_path / "allowed", *with_reduced(before, REDUCED))
    after = open_pack(tmp_path / "allowed").manifest
    assert after.reduced == REDUCED
    assert replace(after, reduced=None) == before.manifest


def test_the_command_writes_nothing_where_it_may_not(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path / "pack")
    (tmp_path / "films").mkdir()
    cv2.imwrite(str(tmp_path / "films" / "a.png"), (film(SIDE) >> 4).astype(np.uint8))
    out = tmp_path / "allowed"
    asked = ["reduced", str(tmp_path / "pack"), str(tmp_path / "films"), "--out", str(out)]
    ran = CliRunner().invoke(app, asked)
    assert ran.exit_code == 7
    assert "found 1 scans, fewer than 100 prove nothing" in ran.stderr
    assert not out.exists()
