"""The overlay: one picture that says what was seen, on whatever scan, and never claims more than the report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import Classification, Notice, State
from edge.geometry import Grid
from edge.reasons import BLANK, UNKNOWN_AGE, UNKNOWN_BODY_PART, WRONG_AGE, WRONG_MODALITY
from edge.scan import Scan, Window
from edge.testing import phantom, phantom_scan, tiny_manifest
from edge.write import Outcome, canvas
from edge.write import overlay as module
from edge.write.canvas import BLUE, DARK, GREY, VERMILION, WHITE, YELLOW, Box
from edge.write.overlay import BANNER, FOOT, HEIGHT, LINES, PANELS, REGION_COLOURS, WIDTH
from tests.write.outcomes import (
    classified,
    drawn,
    failed,
    not_decoded,
    outcome,
    pack_of,
    picture_scan,
    pixels,
    refusal,
    score,
    segmented,
)

Array = NDArray[Any]
PANEL_TOP, PANEL_BOTTOM = PANELS[0].top, PANELS[0].top + PANELS[0].height
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
STATES: dict[State, Outcome] = {
    "finding": positive(SCAN),
    "no-finding": negative(SCAN),
    "not-analysed": outcome(SCAN, refusal()),
    "failed": failed(),
}


def words_of(monkeypatch: pytest.MonkeyPatch, of: Outcome) -> list[str]:
    """Every text that the overlay writes."""
    said: list[str] = []
    write = canvas.write

    def listen(pixels: Any, text: str, box: Box, **how: Any) -> None:
        said.append(text)
        write(pixels, text, box, **how)

    monkeypatch.setattr(module, "write", listen)
    drawn(of)
    return said


def panel(picture: Array, index: int = 0) -> Array:
    """One of the two panels."""
    box = PANELS[index]
    return picture[box.top : box.top + box.height, box.left : box.left + box.width]


# What every state shows ----------------------------------------------------------------------------------


def test_every_state_is_drawn() -> None:
    assert set(STATES) == set(get_args(State))
    assert all(of.result.state == state for state, of in STATES.items())


@pytest.mark.parametrize(
    ("state", "colour"), [("finding", VERMILION), ("no-finding", BLUE), ("not-analysed", GREY), ("failed", YELLOW)]
)
def test_the_banner_has_the_colour_of_its_state(state: State, colour: tuple[int, int, int]) -> None:
    picture = pixels(STATES[state])
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert min(picture.shape[:2]) >= 512
    banner = picture[: BANNER.height]
    assert (banner == colour).all(axis=-1).mean() > 0.7
    assert not (picture[BANNER.height + 1 :] == colour).all(axis=-1).any() or state in ("not-analysed", "failed")


@pytest.mark.parametrize("state", STATES)
def test_the_words_say_the_state_and_that_it_is_no_diagnosis(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, STATES[state])
    assert said[0].startswith(module.BANNERS[state][0])
    assert module.DISCLAIMER in said


@pytest.mark.parametrize("state", STATES)
def test_the_same_result_gives_the_same_bytes(state: State) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        once = drawn(STATES[state])
        cv2.setNumThreads(2)
        assert drawn(STATES[state]) == once
    finally:
        cv2.setNumThreads(before)


def test_the_banner_names_the_finding_after_its_urgency(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [score("Pneumonia", 0.9, urgency="soon"), score("Pneumothorax", 0.6, urgency="urgent"), score("Mass", 0.1)]
    said = words_of(monkeypatch, outcome(SCAN, classified(SCAN, *labels)))
    assert said[0] == "FINDING (urgent): Pneumonia, Pneumothorax"


def test_the_intended_use_of_the_pack_stands_at_the_foot(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = pack_of(tiny_manifest(intended_use="A demonstration. No medical device."))
    for found in (classified(SCAN, score("Pneumonia", 0.9)), refusal()):
        assert "A demonstration. No medical device." in words_of(monkeypatch, outcome(SCAN, found, pack=pack))
    foot = pixels(outcome(SCAN, refusal(), pack=pack))[FOOT.top :]
    assert (foot != DARK).any()


def test_what_made_the_result_stands_at_the_foot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Tiny 1.0.0, fp32 on fake 1.2.3, pack abababababab" in words_of(monkeypatch, STATES["finding"])


def test_a_refusal_gives_every_reason_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for of in (outcome(SCAN, refusal(WRONG_MODALITY, UNKNOWN_BODY_PART)), not_decoded()):
        said = " ".join(words_of(monkeypatch, of))
        for reason in (WRONG_MODALITY, UNKNOWN_BODY_PART):
            assert f"{reason.code}: {reason.words}" in said
            assert reason.action in said


def test_without_a_decoded_picture_the_overlay_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No picture was decoded." in words_of(monkeypatch, failed())
    assert "NOT ANALYSED: C702" in words_of(monkeypatch, not_decoded())


# Whatever the scan ---------------------------------------------------------------------------------------


def noisy(dtype: str) -> Array:
    return (phantom((1, 50, 60))[0] % 251).astype(dtype)


def with_bad_values(dtype: str) -> Array:
    values = noisy(dtype)
    values[3:9, 3:9], values[0, 0], values[0, 1] = np.nan, np.inf, -np.inf
    return values


SCANS = {
    "one-pixel": picture_scan(np.array([[7]], np.uint8)),
    "one-row": picture_scan(ramp(1, 5000), spacing_mm=(0.1, 0.1)),
    "one-column": picture_scan(ramp(5000, 1), spacing_mm=(0.1, 0.1)),
    "wide-and-low": picture_scan(ramp(600, 3)),
    "constant": picture_scan(np.full((20, 20), 9, np.uint16)),
    "16-bit": picture_scan(noisy("uint16")),
    "signed": picture_scan(noisy("int16") - np.int16(1000), window=Window(center=-900.0, width=200.0)),
    "float": picture_scan(noisy("float32")),
    "float-nan": picture_scan(with_bad_values("float32")),
    "float-nan-window": picture_scan(with_bad_values("float64"), window=Window(center=100.0, width=50.0)),
    "float-nan-inverted": picture_scan(with_bad_values("float32"), photometric="MONOCHROME1"),
    "only-nan": picture_scan(np.full((5, 5), np.nan, np.float32)),
    "rgb": picture_scan(np.stack([noisy("uint8")] * 3, axis=-1)),
    "rgb-16-bit": picture_scan(np.stack([noisy("uint16")] * 3, axis=-1)),
    "rgb-float-nan": picture_scan(np.stack([with_bad_values("float32")] * 3, axis=-1)),
    "monochrome1": picture_scan(noisy("uint16"), photometric="MONOCHROME1"),
    "tiny-spacing": picture_scan(noisy("uint8"), spacing_mm=(1e-6, 1e-6)),
    "huge-spacing": picture_scan(noisy("uint8"), spacing_mm=(900.0, 900.0)),
    "flat-pixels": picture_scan(noisy("uint8"), spacing_mm=(30.0, 0.01)),
}


@pytest.mark.parametrize("name", SCANS)
def test_any_scan_gives_a_picture(name: str) -> None:
    scan = SCANS[name]
    masks = np.zeros((2, *scan.grid.shape[1:]), np.bool_)
    masks[0, -1, -1], masks[1] = True, True
    for of in (positive(scan), negative(scan), outcome(scan, refusal()), outcome(scan, segmented(scan, masks))):
        assert pixels(of).shape == (HEIGHT, WIDTH, 3)


def shown(scan: Scan) -> Array:
    """Grey values of the picture as it is drawn, (y, x)."""
    box = module._view(scan, None).fitted(PANELS[0])
    picture = pixels(outcome(scan, refusal()))
    return picture[box.top : box.top + box.height, box.left : box.left + box.width, 0]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize(
    "window", [None, Window(center=100.0, width=200.0), Window(center=100, width=200, function="SIGMOID")]
)
def test_air_is_dark_whichever_way_the_numbers_run(dtype: str, window: Window | None) -> None:
    bright_right = ramp(40, 40, dtype)
    plain = shown(picture_scan(bright_right, window=window))
    inverted = shown(picture_scan(bright_right, window=window, photometric="MONOCHROME1"))
    assert plain[5, 5] < 60 < 190 < plain[-60, -5]
    assert inverted[5, 5] > 190 > 60 > inverted[-60, -5]


def test_values_that_are_no_numbers_do_not_black_out_the_picture() -> None:
    values = ramp(40, 40, "float32")
    values[20, 20] = np.nan
    seen = shown(picture_scan(values))
    assert seen.max() > 200
    assert np.unique(seen).size > 50


def test_colours_are_drawn_as_they_are() -> None:
    red = np.zeros((440, 440, 3), np.uint8)
    red[..., 0] = 200
    middle = panel(pixels(outcome(picture_scan(red), refusal())))[200, 244]
    assert middle.tolist() == [0, 0, 200]


# Size and scale ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((28, 28), "Picture as received, 28 x 28, enlarged 15.7 times"),
        ((220, 100), "Picture as received, 100 x 220, enlarged 2.0 times"),
        ((900, 700), "Picture as received, 700 x 900"),
    ],
)
def test_the_caption_tells_the_true_size(shape: tuple[int, int], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert words in words_of(monkeypatch, positive(picture_scan(ramp(*shape))))


def test_a_much_enlarged_picture_is_drawn_in_squares_and_a_little_enlarged_one_smooth() -> None:
    few, many = (picture_scan((np.indices((n, n)).sum(axis=0) % 2 * 255).astype(np.uint8)) for n in (10, 200))
    assert set(np.unique(shown(few)).tolist()) == {0, 255}
    assert np.unique(shown(many)).size > 10


def test_a_shrunken_picture_is_averaged() -> None:
    checks = (np.indices((1760, 1760)).sum(axis=0) % 2 * 255).astype(np.uint8)
    drawn_small = shown(picture_scan(checks))[:400]
    assert drawn_small.min() >= 126
    assert drawn_small.max() <= 129


def bar_of(of: Outcome) -> int:
    """Length of the white bar below the first picture, in pixels of the canvas."""
    left = panel(pixels(of))
    rows = np.flatnonzero((left == WHITE).all(axis=-1).sum(axis=1) > 10)
    bars = {int((left[row] == WHITE).all(axis=-1).sum()) for row in rows}
    assert len(bars) <= 1
    assert len(rows) in (0, 5)
    return next(iter(bars), 0)


@pytest.mark.parametrize(
    ("rows", "columns", "spacing", "length"),
    [(880, 880, (0.2, 0.2), 50), (2200, 440, (0.1, 0.5), 50), (110, 110, (0.01, 0.01), 0.2), (44, 88, (2.0, 1.0), 20)],
)
def test_the_bar_is_as_long_as_its_words_say(
    rows: int, columns: int, spacing: tuple[float, float], length: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = outcome(picture_scan(np.zeros((rows, columns), np.uint8), spacing_mm=spacing), refusal())
    width = columns * spacing[1] * min(488 / (columns * spacing[1]), 440 / (rows * spacing[0]))
    assert bar_of(of) == pytest.approx(length / (columns * spacing[1]) * width, abs=1)
    assert f"Bar: {length:g} mm at the detector" in words_of(monkeypatch, of)


def test_a_bar_in_the_patient_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = replace(SCAN, grid=Grid.of((1, 100, 80), np.diag([1.0, 0.7, 0.7, 1.0])[[2, 1, 0, 3]], "patient"))
    assert "Bar: 20 mm in the patient" in words_of(monkeypatch, positive(scan))


def test_without_a_known_spacing_there_is_no_bar_but_words(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(picture_scan(np.zeros((100, 100), np.uint8)), refusal())
    assert bar_of(of) == 0
    assert "No scale: the file does not give the size of a pixel." in words_of(monkeypatch, of)


def test_a_bar_that_cannot_be_drawn_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No scale: the picture is too small to draw a bar." in words_of(monkeypatch, negative(SCANS["one-column"]))


def test_pixels_that_are_not_square_are_drawn_in_their_true_proportions() -> None:
    box = module._view(picture_scan(ramp(100, 100), spacing_mm=(1.0, 0.5)), None).fitted(PANELS[0])
    assert (box.height, box.width) == (440, 220)


# Influence maps ------------------------------------------------------------------------------------------


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
    assert "Influence map, not the outline of a lesion" in words_of(monkeypatch, positive(SCAN))
    assert "Influence map (no finding): what raised the score" in words_of(monkeypatch, negative(SCAN))


def map_caption(monkeypatch: pytest.MonkeyPatch, found: Classification) -> str:
    return next(text for text in words_of(monkeypatch, outcome(SCAN, found)) if "nfluence map" in text)


def test_of_several_maps_that_of_the_surest_finding_is_shown_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [score("Normal", 0.9, threshold=None), score("Mass", 0.7, threshold=0.8), score("Edema", 0.6)]
    assert map_caption(monkeypatch, classified(SCAN, *labels)).endswith("lesion: Edema")
    nothing = [score("Normal", 0.9, threshold=None), score("Mass", 0.3), score("Edema", 0.2)]
    assert map_caption(monkeypatch, classified(SCAN, *nothing)).endswith("the score: Mass")


def test_a_finding_without_a_map_is_not_explained_by_another_labels_map(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [score("Mass", 0.9), score("Edema", 0.2)]
    assert map_caption(monkeypatch, classified(SCAN, *labels, mapped=["edema"])).startswith("The model gives no")


# Segmentations -------------------------------------------------------------------------------------------


def colours_in(picture: Array) -> list[bool]:
    return [bool((picture == colour).all(axis=-1).any()) for colour in REGION_COLOURS]


def test_each_region_has_its_colour_and_number_where_it_lies() -> None:
    scan = picture_scan(np.full((440, 440), 128, np.uint8))
    masks = np.zeros((3, 440, 440), np.bool_)
    masks[0, 40:200, 40:200], masks[1, 220:420, 220:420] = True, True
    picture = pixels(outcome(scan, segmented(scan, masks)))
    right = panel(picture, 1)
    assert colours_in(right)[:3] == [True, True, False]
    at = np.argwhere((right == REGION_COLOURS[1]).all(axis=-1))
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


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_of_a_volume_the_slice_that_was_seen_is_shown_with_its_outlines(axis: int) -> None:
    shape = [60, 60, 60]
    voxels = np.zeros(shape, np.uint8)
    at: list[Any] = [slice(None)] * 3
    at[axis] = 7
    voxels[tuple(at)] = 255  # only this slice is bright
    grid = Grid.of((60, 60, 60), np.eye(4), "patient")
    scan = replace(phantom_scan((1, 1, 1)), voxels=voxels, grid=grid, stack="volume", value_range=(0.0, 255.0))
    first, second = (other for other in range(3) if other != axis)
    matrix = np.eye(4)[:, [axis, first, second, 3]]
    matrix[axis, 3] = 7
    mask = np.zeros((1, 60, 60), np.bool_)
    mask[0, 10:50, 10:30] = True
    found = replace(segmented(scan, mask), grid=Grid.of((1, 60, 60), matrix, "patient"))
    picture = panel(pixels(outcome(scan, found)), 1)
    assert (picture[200, 24 + 300] == 255).all()
    at_colour = np.argwhere((picture == REGION_COLOURS[0]).all(axis=-1))
    assert abs(at_colour[:, 0].max() - 50 * 440 / 60) < 6
    assert abs(at_colour[:, 1].max() - 24 - 30 * 440 / 60) < 6


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
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_however_long_the_words_nothing_leaves_its_place(name: str) -> None:
    picture = pixels(LONG_TEXTS[name]())
    dark = np.array(DARK)
    assert (picture[BANNER.height + 2 :, -10:] == dark).all()
    assert (picture[BANNER.height + 2 :, :10] == dark).all()
    assert (picture[LINES.top + LINES.height + 1 : FOOT.top - 1] == dark).all()
    assert (picture[-2:] == dark).all()
    assert (picture[PANEL_BOTTOM + 30 : LINES.top - 1] == dark).all()
    if "FINDING" not in module.BANNERS[LONG_TEXTS[name]().result.state][0]:
        assert (picture[PANEL_TOP:PANEL_BOTTOM, 506:518] == dark).all()


def test_of_many_long_reasons_every_code_is_still_legible(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, outcome(SCAN, refusal(WRONG_MODALITY, WRONG_AGE, detail=LONG)))
    assert any(text.startswith("C702: ") for text in said)
    assert any(text.startswith("C708: ") for text in said)
