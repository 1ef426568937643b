"""The montage and the planes of a volume: slices through what was found, with what was found in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Classification, Findings, InfluenceMap
from edge.write import montage as module
from edge.write.canvas import Box, blank_canvas
from edge.write.montage import MONTAGE, SLICES, draw_montage, draw_planes, has_montage, point_shown, slices_shown
from edge.write.panels import HEIGHT, LABEL_COLOURS, THREE, WIDTH
from tests.write.outcomes import classified, picture_scan, score
from tests.write.planted import TURNS, ball, detected, detection, registration, segmented_volume, volume_scan

Array = NDArray[Any]
SCAN = volume_scan()
LESION = ball((12, 16, 20), 12.0)
FOUND = segmented_volume(SCAN, [LESION])
BOX = detected(SCAN, detection(SCAN, (8.0, 12.0, 15.0, 16.0, 20.0, 25.0), 0.9))


def influence(at: tuple[int, int, int], value: float = 0.9) -> Classification:
    """A classification of the whole volume whose score comes from one place."""
    values = np.zeros(SCAN.grid.shape, np.float32)
    values[at] = 1.0
    shown = InfluenceMap(label="nodule", values=values, grid=SCAN.grid)
    return Classification(labels=(score("Nodule", value),), maps=(shown,), grid=SCAN.grid)


def drawn(findings: Findings, monkeypatch: pytest.MonkeyPatch) -> tuple[Array, list[str]]:
    """The montage, and what stands above its slices."""
    said: list[str] = []
    monkeypatch.setattr(module, "write", lambda _, text, *__, **___: said.append(text))
    canvas = blank_canvas(MONTAGE.width, MONTAGE.height)
    draw_montage(canvas, SCAN, findings)
    return canvas, said


def at_colour(canvas: Array, index: int = 0) -> Array:
    return np.asarray((canvas == LABEL_COLOURS[index]).all(axis=-1))


def test_slices_go_from_the_first_to_the_last_of_what_was_found() -> None:
    first, last = (int(edge) for edge in np.flatnonzero(LESION.any(axis=(1, 2)))[[0, -1]])
    shown = slices_shown(SCAN, FOUND)
    assert (shown[0], shown[-1]) == (first, last)
    assert len(shown) == min(SLICES, last - first + 1)
    assert shown == sorted(set(shown))


def test_slices_of_a_box_are_those_that_it_covers() -> None:
    shown = slices_shown(SCAN, BOX)
    assert (shown[0], shown[-1]) == (8, 15)
    assert len(shown) == SLICES


def test_where_nothing_was_found_slices_are_spread_over_the_volume() -> None:
    empty = segmented_volume(SCAN, [np.zeros_like(LESION)])
    assert slices_shown(SCAN, empty) == [0, 5, 9, 14, 18, 23]
    assert slices_shown(SCAN, detected(SCAN)) == slices_shown(SCAN, empty)
    assert point_shown(SCAN, detected(SCAN)) == (12, 20, 24)


def test_what_lies_in_one_slice_is_shown_in_one() -> None:
    thin = np.zeros_like(LESION)
    thin[7, 10:20, 10:20] = True
    assert slices_shown(SCAN, segmented_volume(SCAN, [thin])) == [7]


@pytest.mark.parametrize("findings", [FOUND, BOX], ids=["outlines", "box"])
def test_every_slice_of_a_montage_shows_what_was_found_in_it(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas, said = drawn(findings, monkeypatch)
    assert said == [f"slice {at + 1} of 24" for at in slices_shown(SCAN, findings)]
    coloured = np.flatnonzero(at_colour(canvas).any(axis=0))
    assert all(((coloured >= left) & (coloured < left + 165)).any() for left in range(0, WIDTH, 172))


def test_a_montage_of_a_score_is_tinted_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    canvas, _ = drawn(influence((12, 20, 24)), monkeypatch)
    plain, _ = drawn(replace(influence((12, 20, 24)), maps=()), monkeypatch)
    assert (canvas != plain).any()


def test_a_montage_of_a_score_without_a_finding_is_spread_over_the_volume_and_not_tinted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canvas, _ = drawn(influence((3, 30, 40), 0.1), monkeypatch)
    plain, _ = drawn(replace(influence((3, 30, 40), 0.1), maps=()), monkeypatch)
    np.testing.assert_array_equal(canvas, plain)
    assert slices_shown(SCAN, influence((3, 30, 40), 0.1))[-1] == 23


def test_the_planes_go_through_what_was_found() -> None:
    assert point_shown(SCAN, BOX) == (12, 16, 20)
    assert point_shown(SCAN, influence((3, 30, 40))) == (3, 30, 40)
    z, y, x = point_shown(SCAN, FOUND)
    assert LESION[z, y, x]


@pytest.mark.parametrize("findings", [FOUND, BOX], ids=["outlines", "box"])
def test_every_plane_shows_what_was_found(findings: Findings) -> None:
    canvas = blank_canvas(WIDTH, HEIGHT)
    draw_planes(canvas, SCAN, findings)
    for panel in THREE.panels:
        assert at_colour(_part(canvas, panel)).any()


@pytest.mark.parametrize("turn", TURNS[1::12], ids=str)
def test_however_a_volume_is_stored_its_planes_are_the_same(turn: Any) -> None:
    turned = volume_scan(turn)
    canvases = [blank_canvas(WIDTH, HEIGHT) for _ in range(2)]
    draw_planes(canvases[0], SCAN, FOUND)
    draw_planes(canvases[1], turned, segmented_volume(turned, [np.ascontiguousarray(turn.apply(LESION))]))
    for panel in THREE.panels:
        assert (_part(canvases[0], panel) == _part(canvases[1], panel)).all()


def test_only_what_looked_at_a_whole_volume_has_a_montage() -> None:
    picture = picture_scan(np.zeros((8, 8), np.uint8))
    assert has_montage(SCAN, FOUND)
    assert has_montage(SCAN, BOX)
    assert not has_montage(SCAN, registration(SCAN))
    assert not has_montage(picture, classified(picture, score("Nodule", 0.9)))


def _part(canvas: Array, box: Box) -> Array:
    return canvas[box.top : box.top + box.height, box.left : box.left + box.width]
