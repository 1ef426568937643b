"""Slides in pictures and files: small, with what was found in its place, and labels that nobody need hold in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import BestTile, Classification, InfluenceMap, Segmentation, Tilewise
from edge.geometry import Grid
from edge.scan import Acquisition, Scan, Slide
from edge.write.canvas import VERMILION
from edge.write.masks import masks
from edge.write.panels import LABEL_COLOURS, TWO
from tests.write.outcomes import outcome, panel, picture_scan, pixels, score, segmented, words_of

Array = NDArray[Any]
ROWS, COLUMNS, FACTOR = 400, 600, 4
WHOLE = Grid.of_picture(ROWS, COLUMNS, (0.001, 0.001))


def slide() -> Scan:
    """A grey slide, shown four times smaller."""
    small = picture_scan(np.full((ROWS // FACTOR, COLUMNS // FACTOR), 120, np.uint8))
    shown = Slide(grid=WHOLE, levels=((ROWS, COLUMNS),), read=lambda *_: np.zeros((1, 1, 3), np.uint8))
    return replace(
        small,
        grid=WHOLE.resized((1, ROWS // FACTOR, COLUMNS // FACTOR)),
        slide=shown,
        acquisition=Acquisition(modality="SM", photometric="MONOCHROME2"),
    )


def tilewise(value: float, box: tuple[int, int, int, int]) -> Classification:
    values = np.zeros((1, 4, 6), np.float32)
    values[0, box[0] // 100, box[1] // 100] = value
    shown = InfluenceMap(label="tumour", values=values, grid=WHOLE.resized((1, 4, 6)))
    best = BestTile(label="tumour", score=value, box=box)
    labels = (score("Tumour", value),)
    return Classification(labels=labels, maps=(shown,), grid=WHOLE, tilewise=Tilewise(tiles=24, best=(best,)))


BOX = (200, 400, 299, 499)


def test_the_rule_and_the_place_of_the_best_window_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, outcome(slide(), tilewise(0.9, BOX)))
    assert "Slide as received, 600 x 400, made small" in said
    rule = "The score is the highest of 24 windows: at row 201 to 300, column 401 to 500 of the picture."
    assert rule in said
    assert "Bar: 0.1 mm on the slide" in said


def test_the_best_window_is_framed_where_it_lies() -> None:
    picture = panel(pixels(outcome(slide(), tilewise(0.9, BOX))), 1)
    at = np.argwhere((picture == VERMILION).all(axis=-1))
    scale = TWO.panels[1].width / COLUMNS
    above = (TWO.panels[1].height - round(ROWS * scale)) / 2
    assert at[:, 0].min() == pytest.approx(above + 200 * scale, abs=5)
    assert at[:, 0].max() == pytest.approx(above + 300 * scale, abs=5)
    assert at[:, 1].min() == pytest.approx(400 * scale, abs=5)
    assert at[:, 1].max() == pytest.approx(500 * scale, abs=5)


def test_windows_are_as_bright_as_their_scores_whatever_the_others_are() -> None:
    """A picture whose best window has a low score stays as it is, where a map of influence would be stretched."""
    faint, strong = (panel(pixels(outcome(slide(), tilewise(value, BOX))), 1).astype(int) for value in (0.02, 0.98))
    left = panel(pixels(outcome(slide(), tilewise(0.02, BOX))), 0).astype(int)
    middle = slice(240, 250), slice(360, 370)
    assert np.abs(faint[middle] - left[middle]).max() <= 4
    assert np.abs(strong[middle] - left[middle]).max() > 40


def labelled(*, exclusive: bool) -> Segmentation:
    codes = np.zeros((1, ROWS, COLUMNS), np.uint8)
    codes[0, 100:120, 300:330] = 1
    codes[0, 390, 10] = 2
    found = segmented(slide(), np.stack([codes[0] == 1, codes[0] == 2]))
    return replace(found, codes=codes, exclusive=exclusive, grid=WHOLE, in_windows=True)


@pytest.mark.parametrize("exclusive", [True, False])
def test_labels_are_outlined_where_they_lie_down_to_a_single_pixel(*, exclusive: bool) -> None:
    picture = panel(pixels(outcome(slide(), labelled(exclusive=exclusive))), 1)
    scale = TWO.panels[1].width / COLUMNS
    above = (TWO.panels[1].height - round(ROWS * scale)) / 2
    for index, (row, column) in enumerate(((110, 315), (390, 10))):
        at = np.argwhere((picture == LABEL_COLOURS[index]).all(axis=-1)).mean(axis=0)
        assert at == pytest.approx((above + row * scale, column * scale), abs=14)


def test_labels_that_exclude_each_other_are_one_file_with_their_names() -> None:
    found = labelled(exclusive=True)
    files = masks(outcome(slide(), found).result, slide(), found)
    assert sorted(files) == ["labels.json", "labels.tif"]
    np.testing.assert_array_equal(imagecodecs.tiff_decode(files["labels.tif"]), found.codes[0])
    named = json.loads(files["labels.json"])
    assert named["file"] == "labels.tif"
    assert [(item["value"], item["name"]) for item in named["labels"]] == [(1, "region-1"), (2, "region-2")]


def test_labels_that_may_overlap_are_a_file_each() -> None:
    found = labelled(exclusive=False)
    files = masks(outcome(slide(), found).result, slide(), found)
    assert sorted(files) == ["mask-region-1.tif", "mask-region-2.tif"]
    for index, name in enumerate(sorted(files)):
        np.testing.assert_array_equal(imagecodecs.tiff_decode(files[name]), found.mask(index)[0] * 255)
