"""Registrations: what was moved, by how much, and how to see whether it fits; files that other programs understand."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Registration
from edge.write.panels import THREE
from edge.write.registered import registered
from tests.write.outcomes import classified, failed, outcome, picture_scan, pixels, score, words_of
from tests.write.planted import oblique_grid, registration, volume_scan

Array = NDArray[Any]
SCAN = volume_scan()
FOUND = registration(SCAN, (8.0, 0.0, 0.0))


def panel_of(picture: Array, index: int) -> Array:
    box = THREE.panels[index]
    return np.asarray(picture[box.top : box.top + box.height, box.left : box.left + box.width])


def files_of(findings: Registration) -> dict[str, bytes]:
    return registered(outcome(SCAN, findings).result, SCAN, findings)


def test_where_the_scans_agree_the_squares_cannot_be_seen() -> None:
    picture = pixels(outcome(SCAN, FOUND))
    fixed, before, after = (panel_of(picture, index)[30:230, 30:290].astype(int) for index in range(3))
    assert np.abs(after - fixed).max() <= 1
    assert (np.abs(before - fixed).max(axis=-1) > 20).mean() > 0.01


def test_the_moving_scan_is_shown_in_half_of_the_squares() -> None:
    black = replace(FOUND, before=np.full_like(FOUND.fixed, np.nan))
    picture = pixels(outcome(SCAN, black))
    before = panel_of(picture, 1)[:260]
    dark = (before[before.shape[0] // 3 : 2 * before.shape[0] // 3, 60:260] < 10).all(axis=-1)
    assert 0.4 < dark.mean() < 0.6


def test_what_is_outside_of_the_moving_scan_does_not_black_out_the_rest() -> None:
    holes = FOUND.warped.copy()
    holes[:, :3], holes[12, 20, 20] = np.nan, np.inf
    picture = pixels(outcome(SCAN, replace(FOUND, warped=holes)))
    assert np.unique(panel_of(picture, 2)).size > 30


def test_the_words_say_how_far_it_was_moved_and_that_nothing_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(SCAN, replace(FOUND, mean_mm=3.26, largest_mm=11.04))
    said = words_of(monkeypatch, of)
    assert said[0] == "DONE: two scans registered. Nothing was looked for"
    assert "The moving scan was moved by 3.3 mm on average, 11.0 mm at most." in said
    assert "Space is folded nowhere." in said
    assert "Nothing was looked for: this is not 'no finding'." in said
    assert "Fixed: Axial, slice 13 of 24" in said
    assert of.result.summary.endswith("3.3 mm on average, 11.0 mm at most. Nothing was looked for.")


@pytest.mark.parametrize(("share", "words"), [(0.0312, "in 3.12% of"), (1e-6, "in less than 0.01% of")])
def test_where_space_is_folded_it_is_said(share: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, outcome(SCAN, replace(FOUND, folded_share=share)))
    assert any(text.startswith(f"Space is folded {words} the voxels") for text in said)


def test_the_warped_scan_and_the_field_are_written_on_the_grid_of_the_model() -> None:
    scan = volume_scan(grid=oblique_grid())
    files = files_of(registration(scan, (0.0, 0.0, 8.0)))
    assert list(files) == ["warped.nii.gz", "displacement.nii.gz"]
    warped, field = (nibabel.Nifti1Image.from_bytes(gzip.decompress(data)) for data in files.values())
    lps = np.diag([-1, -1, 1, 1]) @ scan.grid.matrix[:, [2, 1, 0, 3]]
    assert np.allclose(warped.affine, lps, atol=1e-4)
    assert np.allclose(field.affine, lps, atol=1e-4)
    values = np.asarray(warped.dataobj).transpose(2, 1, 0)
    assert np.isnan(values[0]).all()
    assert np.array_equal(values[1:], scan.voxels[1:].astype(np.float32))
    assert np.asarray(field.dataobj)[3, 4, 5, 0].tolist() == [0.0, 0.0, 8.0]


def test_the_same_registration_gives_the_same_bytes() -> None:
    assert files_of(FOUND) == files_of(FOUND)


def test_what_is_no_registration_has_no_files() -> None:
    scan = picture_scan(np.zeros((4, 4), np.uint8))
    of = outcome(scan, classified(scan, score("A", 0.5)))
    assert registered(of.result, of.scan, of.findings) == {}
    assert registered(failed().result, None, None) == {}
