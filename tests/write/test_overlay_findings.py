"""What the overlay says of findings: maps, outlines, words; nothing hides and nothing overflows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.explain.told import Faithfulness
from edge.findings import Classification, Detections, InfluenceMap, Notice, Segmentation
from edge.geometry import Grid
from edge.reasons import BLANK, UNKNOWN_AGE, UNKNOWN_BODY_PART, WRONG_AGE, WRONG_MODALITY
from edge.scan import Scan
from edge.testing import phantom_scan, tiny_manifest
from edge.write import Outcome
from edge.write.canvas import DARK, Box
from edge.write.influence import map_to_show
from edge.write.influence import tinted as drawn_over
from edge.write.overlay import BANNER, BANNERS, FOOT, layout_of
from edge.write.panels import LABEL_COLOURS, TWO
from edge.write.view import View
from tests.write.outcomes import (
    classified,
    failed,
    outcome,
    pack_of,
    panel,
    picture_scan,
    pixels,
    refusal,
    score,
    segmented,
    words_of,
)
from tests.write.planted import ball, detected, detection, segmented_volume, translation, volume_scan

Array = NDArray[Any]
PANEL_TOP, PANEL_BOTTOM = TWO.panels[0].top, TWO.panels[0].top + TWO.panels[0].height
LONG = "An extraordinarily long text without an end in sight " * 40


def ramp(rows: int, columns: int, dtype: str = "uint8") -> Array:
    """Dark at the top left, bright at the bottom right."""
    y, x = np.indices((rows, columns))
    return ((y + x) * (250.0 / max(rows + columns - 2, 1))).astype(dtype)


def positive(scan: Scan) -> Outcome:
    return outcome(scan, classified(scan, score("Pneumonia", 0.93, urgency="urgent")))


def negative(scan: Scan) -> Outcome:
    return outcome(scan, classified(scan, score("Pneumonia", 0.03)))


SCAN = picture_scan(ramp(100, 80), spacing_mm=(0.5, 0.5))
FLAT = picture_scan(np.full((70, 70), 128, np.uint8))
VOLUME = volume_scan()
NOT_DRAWN = "The influence map is drawn only where there is a finding or a doubt."


# Influence maps ------------------------------------------------------------------------------------------


def is_tinted(of: Outcome) -> bool:
    """Whether there is a colour on the right, where a grey picture has none of its own."""
    return bool((np.ptp(panel(pixels(of), 1).astype(int), axis=-1) > 40).any())


def proven(found: Classification, *passed: str) -> Classification:
    """The same, with the maps of these labels put to the deletion test."""
    said = (Faithfulness(label=name, gain=1.0, beaten=19, orders=19, holds=True, rule="-") for name in passed)
    return replace(found, faithfulness=tuple(said))


def test_what_raised_the_score_is_tinted_in_its_place() -> None:
    scan = picture_scan(np.full((70, 70), 128, np.uint8))
    picture = pixels(positive(scan))
    plain, tinted = panel(picture, 0).astype(int), panel(picture, 1).astype(int)
    changed = np.abs(tinted - plain).max(axis=-1) > 40
    y, x = np.nonzero(changed)
    assert changed.any()
    # The hot cell is the first of 7 x 7 on a picture of 440 x 440 that begins 24 pixels from the left.
    assert y.max() < 440 / 7
    assert x.max() < 24 + 440 / 7 + 10


def test_the_caption_of_a_map_does_not_take_a_tint_for_a_lesion(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Influence map, not the outline of a lesion; not tested" in words_of(monkeypatch, positive(SCAN))
    passed = proven(classified(SCAN, score("Pneumonia", 0.03)), "pneumonia")
    assert "Influence map (no finding): what raised the score; tested" in words_of(monkeypatch, outcome(SCAN, passed))


def test_where_nothing_was_found_no_map_is_drawn_and_the_panel_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_tinted(positive(FLAT))
    assert not is_tinted(negative(FLAT))
    assert map_caption(monkeypatch, classified(SCAN, score("Pneumonia", 0.03))) == NOT_DRAWN


def test_a_map_is_drawn_of_what_a_reader_must_settle_and_of_what_passed_its_test() -> None:
    below = score("Pneumonia", 0.4)
    assert is_tinted(outcome(FLAT, classified(FLAT, replace(below, uncertain=True))))
    assert is_tinted(outcome(FLAT, proven(classified(FLAT, below), "pneumonia")))


def test_a_label_that_is_no_finding_has_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    normal = score("Normal", 0.9, threshold=None)
    assert map_to_show(classified(SCAN, normal, score("Mass", 0.2))) is None
    assert map_to_show(proven(classified(SCAN, replace(normal, uncertain=True)), "normal")) is None
    assert map_caption(monkeypatch, classified(SCAN, normal)) == NOT_DRAWN


def test_doubt_of_a_label_without_a_map_is_not_explained_by_another_labels_map(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [replace(score("Mass", 0.4), uncertain=True), score("Edema", 0.3)]
    assert map_caption(monkeypatch, classified(SCAN, *labels, mapped=["edema"])).startswith("The model gives no")


def map_caption(monkeypatch: pytest.MonkeyPatch, found: Classification) -> str:
    return next(text for text in words_of(monkeypatch, outcome(SCAN, found)) if "nfluence map" in text)


def test_of_several_maps_that_of_the_surest_finding_is_shown_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [score("Normal", 0.9, threshold=None), score("Mass", 0.7, threshold=0.8), score("Edema", 0.6)]
    assert map_caption(monkeypatch, classified(SCAN, *labels)).endswith("lesion; not tested: Edema")
    nothing = [score("Normal", 0.9, threshold=None), score("Mass", 0.3), score("Edema", 0.2)]
    both = proven(classified(SCAN, *nothing), "mass", "edema")
    assert map_caption(monkeypatch, both).endswith("the score; tested: Mass")
    doubted = classified(SCAN, *nothing[:2], replace(nothing[2], uncertain=True))
    assert map_caption(monkeypatch, doubted).endswith("the score; not tested: Edema")


def test_a_finding_without_a_map_is_not_explained_by_another_labels_map(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [score("Mass", 0.9), score("Edema", 0.2)]
    assert map_caption(monkeypatch, classified(SCAN, *labels, mapped=["edema"])).startswith("The model gives no")


def mapped_volume(*at: int) -> Outcome:
    """A map of a volume that is hot at one of its voxels."""
    values = np.zeros((6, 8, 8), np.float32)
    values[at] = 1.0
    label = score("Bleeding", 0.9)
    shown = InfluenceMap(label=label.name, values=values, grid=VOLUME.grid.resized(values.shape))
    return outcome(VOLUME, Classification(labels=(label,), maps=(shown,), grid=VOLUME.grid))


def test_of_a_volume_seen_whole_the_slice_with_the_strongest_influence_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = mapped_volume(4, 1, 6)  # 6 pieces of 4 slices: the fifth goes from slice 17 to 20
    said = words_of(monkeypatch, of)
    assert any(text.startswith("Picture as received, slice 19 of 24, ") for text in said)
    picture = pixels(of)
    plain, tinted = panel(picture, 0).astype(int), panel(picture, 1).astype(int)
    y, x = np.nonzero(np.abs(tinted - plain).max(axis=-1) > 60)
    assert y.mean() < 220  # the front of the patient
    assert x.mean() > 244  # and the left, which is on the right


def test_a_volume_without_a_map_is_shown_in_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Classification(labels=(score("Bleeding", 0.9),), grid=VOLUME.grid)
    said = words_of(monkeypatch, outcome(VOLUME, found))
    assert any(text.startswith("Picture as received, slice 13 of 24, ") for text in said)
    assert "The model gives no influence map for this picture." in said


# Segmentations -------------------------------------------------------------------------------------------


def colours_in(picture: Array) -> list[bool]:
    return [bool((picture == colour).all(axis=-1).any()) for colour in LABEL_COLOURS]


def test_each_region_has_its_colour_and_number_where_it_lies() -> None:
    scan = picture_scan(np.full((440, 440), 128, np.uint8))
    masks = np.zeros((3, 440, 440), np.bool_)
    masks[0, 40:200, 40:200], masks[1, 220:420, 220:420] = True, True
    picture = pixels(outcome(scan, segmented(scan, masks)))
    right = panel(picture, 1)
    assert colours_in(right)[:3] == [True, True, False]
    at = np.argwhere((right == LABEL_COLOURS[1]).all(axis=-1))
    assert at.min(axis=0).tolist() >= [190, 24 + 215]
    assert abs(at[:, 0].max() - 419) <= 2
    assert abs(at[:, 1].max() - (24 + 419)) <= 2
    assert not any(colours_in(panel(picture, 0)))


def test_a_region_of_one_pixel_in_a_large_picture_is_still_drawn() -> None:
    scan = picture_scan(np.zeros((3000, 2500), np.uint8))
    masks = np.zeros((1, 3000, 2500), np.bool_)
    masks[0, 1501, 1203] = True
    assert colours_in(panel(pixels(outcome(scan, segmented(scan, masks))), 1))[0]


def test_a_region_that_was_not_found_is_not_drawn_but_said(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(SCAN, segmented(SCAN, np.zeros((1, 100, 80), np.bool_)))
    assert not any(colours_in(panel(pixels(of), 1)))
    assert "1. Region 1: not found" in words_of(monkeypatch, of)


def test_what_was_found_is_told_first_and_keeps_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = np.zeros((20, 100, 80), np.bool_)
    masks[17, 10:20, 10:20] = True
    warnings = [Notice(reason=UNKNOWN_AGE, severity="warn", detail="")] * 6
    said = words_of(monkeypatch, outcome(SCAN, segmented(SCAN, masks), warnings=warnings))
    assert "18. Region 18: 100 pixels, 25 mm2" in said
    assert "and 19 more: see report.json" in said
    assert "and 5 more warnings: see report.json" in said


def test_an_area_is_withheld_where_the_spacing_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = picture_scan(ramp(20, 20))
    said = words_of(monkeypatch, outcome(scan, segmented(scan, np.ones((1, 20, 20), np.bool_))))
    assert "1. Region 1: 400 pixels, area unknown (no pixel size)" in said


@pytest.mark.parametrize(("axis", "bottom"), [(0, 50), (1, 50), (2, 30)])
def test_of_a_volume_the_slice_that_was_seen_is_shown_upright_with_its_outlines(axis: int, bottom: int) -> None:
    """Index z goes to the left, y to the back, x to the head: the last is at the top of a coronal or sagittal slice."""
    shape = [60, 60, 60]
    voxels = np.zeros(shape, np.uint8)
    at: list[Any] = [slice(None)] * 3
    at[axis] = 7
    voxels[tuple(at)] = 255  # only this slice is bright
    grid = Grid.of((60, 60, 60), np.eye(4), "patient")
    scan = replace(phantom_scan((1, 1, 1)), voxels=voxels, grid=grid, stack="volume", value_range=(0.0, 255.0))
    scan = replace(scan, places=tuple((0, z) for z in range(60)))
    first, second = (other for other in range(3) if other != axis)
    matrix = np.eye(4)[:, [axis, first, second, 3]]
    matrix[axis, 3] = 7
    mask = np.zeros((1, 60, 60), np.bool_)
    mask[0, 10:50, 10:30] = True
    found = replace(segmented(scan, mask), grid=Grid.of((1, 60, 60), matrix, "patient"))
    picture = panel(pixels(outcome(scan, found)), 1)
    assert (picture[200, 24 + 300] == 255).all()
    at_colour = np.argwhere((picture == LABEL_COLOURS[0]).all(axis=-1))
    assert abs(at_colour[:, 0].max() - bottom * 440 / 60) < 6
    assert abs(at_colour[:, 1].min() - 24 - 10 * 440 / 60) < 6
    assert abs(at_colour[:, 1].max() - 24 - 50 * 440 / 60) < 6


# Words ---------------------------------------------------------------------------------------------------


def test_a_score_says_on_which_side_of_its_threshold_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [
        score("A", 0.7, threshold=0.5),
        score("B", 0.4, threshold=0.5),
        score("C", 0.45, threshold=0.6, positive=True),
    ]
    said = words_of(monkeypatch, outcome(SCAN, classified(SCAN, *labels)))
    assert "A: score 0.70, reaches the threshold 0.50" in said
    assert "B: score 0.40, below the threshold 0.50" in said
    assert "C: score 0.45, the highest, though below the threshold 0.60" in said


def test_a_score_is_never_rounded_up_to_the_threshold_that_it_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, outcome(SCAN, classified(SCAN, score("A", 0.4996, threshold=0.5))))
    assert "A: score 0.4996, below the threshold 0.5000" in said


def long_volume() -> Segmentation:
    found = segmented_volume(VOLUME, [ball((4 + 2 * index, 20, 24), 9) for index in range(8)])
    return replace(found, regions=tuple(replace(region, title=LONG) for region in found.regions))


def long_boxes() -> Detections:
    boxes = [detection(SCAN, (index, index, 90 - index, 70), 0.9 - 0.01 * index, name=LONG) for index in range(30)]
    return detected(SCAN, *boxes, names=(LONG,))


LONG_TEXTS = {
    "labels": lambda: outcome(
        SCAN,
        classified(SCAN, *[score(f"{index} {LONG}", 0.9 - 0.01 * index) for index in range(20)]),
        warnings=[Notice(reason=UNKNOWN_AGE, severity="warn", detail=LONG)] * 9,
        pack=pack_of(tiny_manifest(title=LONG, intended_use=LONG)),
    ),
    "refusals": lambda: outcome(SCAN, refusal(WRONG_MODALITY, UNKNOWN_BODY_PART, WRONG_AGE, BLANK, detail=LONG)),
    "one-word": lambda: outcome(SCAN, refusal(WRONG_MODALITY, detail="x" * 100_000)),
    "failure": lambda: failed(LONG * 50),
    "lines": lambda: failed("one\ntwo\tthree\r\nfour \x00 five"),
    "languages": lambda: outcome(SCAN, classified(SCAN, score("Łódź 肺炎 निमोनिया \U0001fac1", 0.9))),
    "regions": lambda: outcome(SCAN, segmented(SCAN, np.ones((20, 100, 80), np.bool_))),
    "volume": lambda: outcome(VOLUME, long_volume()),
    "boxes": lambda: outcome(SCAN, long_boxes()),
    "synthetic": lambda: outcome(SCAN, translation(SCAN.grid, SCAN.voxels, makes=LONG)),
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_however_long_the_words_nothing_leaves_its_place(name: str) -> None:
    picture = pixels(LONG_TEXTS[name]())
    dark = np.array(DARK)
    assert (picture[BANNER.height + 2 :, -10:] == dark).all()
    assert (picture[BANNER.height + 2 :, :10] == dark).all()
    panels, lines = layout_of(LONG_TEXTS[name]().findings).panels, layout_of(LONG_TEXTS[name]().findings).lines
    assert (picture[lines.top + lines.height + 1 : FOOT.top - 1] == dark).all()
    assert (picture[-2:] == dark).all()
    assert (picture[panels[0].top + panels[0].height + 30 : lines.top - 1] == dark).all()
    if "FINDING" not in BANNERS[LONG_TEXTS[name]().result.state][0]:
        assert (picture[PANEL_TOP:PANEL_BOTTOM, 506:518] == dark).all()


def test_of_many_long_reasons_every_code_is_still_legible(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, outcome(SCAN, refusal(WRONG_MODALITY, WRONG_AGE, detail=LONG)))
    assert any(text.startswith("C702: ") for text in said)
    assert any(text.startswith("C708: ") for text in said)


def test_a_large_picture_is_tinted_where_the_same_picture_at_the_size_of_its_panel_is() -> None:
    def tinted(side: int) -> NDArray[np.float64]:
        values = np.zeros((1, side, side), dtype=np.float32)
        values[:, : side // 4, : side // 4] = 1.0
        view = View(pixels=np.full((side, side, 3), 128, dtype=np.uint8), grid=Grid.of_picture(side, side))
        shown = InfluenceMap(label="x", values=values, grid=view.grid)
        room = Box(left=0, top=0, width=256, height=256)
        return drawn_over(view.shrunk(room), shown, tilewise=False).astype(np.float64)

    assert tinted(2048).shape == tinted(256).shape
    assert np.abs(tinted(2048) - tinted(256)).mean() < 1.0


def test_a_picture_that_is_smaller_than_its_panel_is_not_shrunk() -> None:
    view = View(pixels=np.zeros((100, 300, 3), dtype=np.uint8), grid=Grid.of_picture(100, 300))
    assert view.shrunk(Box(left=0, top=0, width=256, height=100)) is view
