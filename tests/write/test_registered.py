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
from edge.write.panels import TWICE_THREE
from edge.write.registered import registered
from tests.write.outcomes import classified, failed, outcome, picture_scan, pixels, score, words_of
from tests.write.planted import oblique_grid, registration, volume_scan

Array = NDArray[Any]
SCAN = volume_scan()
FOUND = registration(SCAN, (8.0, 0.0, 0.0))


def panel_of(picture: Array, index: int) -> Array:
    box = TWICE_THREE.panels[index]
    return np.asarray(picture[box.top : box.top + box.height, box.left : box.left + box.width])


def files_of(findings: Registration) -> dict[str, bytes]:
    return registered(outcome(SCAN, findings).result, SCAN, findings)


def shown(picture: Array, index: int) -> Array:
    """A panel without the letters at its edges."""
    part = panel_of(picture, index)
    drawn = np.flatnonzero((part != part[0, 0]).any(axis=(0, 2)))
    return part[24:-24, drawn[0] + 24 : drawn[-1] - 24].astype(int)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_where_the_scans_agree_the_squares_cannot_be_seen(plane: int) -> None:
    """Fixed alone is what both are drawn as where nothing was moved at all."""
    alone = pixels(outcome(SCAN, replace(FOUND, before=FOUND.fixed, warped=FOUND.fixed)))
    picture = pixels(outcome(SCAN, FOUND))
    assert np.abs(shown(picture, 3 + plane) - shown(alone, 3 + plane)).max() <= 1


@pytest.mark.parametrize(("shift_mm", "planes"), [((8.0, 0.0, 0.0), (0, 1)), ((0.0, 0.0, 8.0), (1, 2))])
def test_a_shift_is_seen_before_in_the_planes_in_which_it_lies(
    shift_mm: tuple[float, float, float], planes: tuple[int, int]
) -> None:
    """Along the body's axis it breaks no edge of an axial plane; the other two planes are what shows it."""
    found = registration(SCAN, shift_mm)
    picture = pixels(outcome(SCAN, found))
    alone = pixels(outcome(SCAN, replace(found, before=found.fixed, warped=found.fixed)))
    for plane in planes:
        differs = np.abs(shown(picture, plane) - shown(alone, plane)).max(axis=-1) > 12
        assert differs.mean() > 0.01


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_the_same_tissue_is_as_bright_where_a_plane_misses_what_is_brightest(plane: int) -> None:
    """Else every square would have an edge where the moving scan's lesion has not come to lie in the plane yet."""
    tissue = np.broadcast_to(np.linspace(0, 200, FOUND.fixed.shape[2], dtype=np.float32), FOUND.fixed.shape)
    fixed = tissue.copy()
    fixed[8:16, 15:25, 18:30] = 1000
    found = replace(FOUND, fixed=fixed, before=tissue, warped=fixed)
    picture, alone = pixels(outcome(SCAN, found)), pixels(outcome(SCAN, replace(found, before=fixed)))
    before, unmoved = shown(picture, plane), shown(alone, plane)
    assert np.abs(before - unmoved).max() > 100
    beside = slice(0, before.shape[1] // 6)
    assert np.abs(before[:, beside] - unmoved[:, beside]).max() <= 1


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_the_moving_scan_is_shown_in_half_of_the_squares(plane: int) -> None:
    black = replace(FOUND, before=np.full_like(FOUND.fixed, np.nan), fixed=np.abs(FOUND.fixed) + 100)
    part = shown(pixels(outcome(SCAN, black)), plane)
    middle = part[part.shape[0] // 4 : 3 * part.shape[0] // 4, part.shape[1] // 4 : 3 * part.shape[1] // 4]
    dark = (middle < 5).all(axis=-1)
    assert 0.35 < dark.mean() < 0.8


def test_planes_and_their_sides_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, outcome(SCAN, FOUND))
    for when in ("Before", "After"):
        for plane in ("Axial, slice 13 of 24", "Coronal, row 21 of 40", "Sagittal, column 25 of 48"):
            assert f"{when}: {plane}" in said
    assert any(text.startswith("Bar: ") and text.endswith("in the patient, the same for all") for text in said)


def test_lengths_in_no_known_unit_are_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = replace(SCAN, lengths_told=False)
    of = outcome(scan, FOUND)
    said = words_of(monkeypatch, of)
    assert "No scale: the file does not say in which unit its lengths are." in said
    assert "The moving scan was moved by a length that is not told, as the files do not give its unit." in said
    files = registered(of.result, scan, FOUND)
    units = [nibabel.Nifti1Image.from_bytes(gzip.decompress(data)).header["xyzt_units"] for data in files.values()]
    assert units == [0, 0]


def test_what_is_outside_of_the_moving_scan_does_not_black_out_the_rest() -> None:
    holes = FOUND.warped.copy()
    holes[:, :3], holes[12, 20, 20] = np.nan, np.inf
    picture = pixels(outcome(SCAN, replace(FOUND, warped=holes)))
    assert np.unique(panel_of(picture, 3)).size > 30


def test_the_words_say_how_far_it_was_moved_and_that_nothing_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(SCAN, replace(FOUND, mean_mm=3.26, largest_mm=11.04))
    said = words_of(monkeypatch, of)
    assert said[0] == "DONE: two scans registered. Nothing was looked for"
    assert "The moving scan was moved by 3.3 mm on average, 11.0 mm at most." in said
    assert "Space is folded nowhere." in said
    assert "Nothing was looked for: this is not 'no finding'." in said
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
