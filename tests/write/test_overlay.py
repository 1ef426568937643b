"""The overlay: one picture that says what was seen, on whatever scan, and never claims more than the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.findings import State
from edge.geometry import Grid
from edge.prepare import pieces
from edge.reasons import UNKNOWN_BODY_PART, WRONG_MODALITY
from edge.scan import Scan, Window
from edge.testing import phantom, tiny_manifest
from edge.write import Outcome
from edge.write import overlay as module
from edge.write.canvas import BLUE, DARK, GREY, ORANGE, PURPLE, VERMILION, WHITE, YELLOW, Box
from edge.write.overlay import BANNER, FOOT
from edge.write.panels import HEIGHT, TWO, WIDTH
from edge.write.report import DISCLAIMER
from edge.write.view import slice_shown, views_of
from tests.write.outcomes import (
    classified,
    drawn,
    failed,
    not_decoded,
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
from tests.write.planted import translation

Array = NDArray[Any]


def ramp(rows: int, columns: int, dtype: str = "uint8") -> Array:
    """Dark at the top left, bright at the bottom right."""
    y, x = np.indices((rows, columns))
    return ((y + x) * (250.0 / max(rows + columns - 2, 1))).astype(dtype)


def positive(scan: Scan) -> Outcome:
    return outcome(scan, classified(scan, score("Pneumonia", 0.93, urgency="urgent")))


def negative(scan: Scan) -> Outcome:
    return outcome(scan, classified(scan, score("Pneumonia", 0.03)))


def unsure(scan: Scan) -> Outcome:
    doubtful = replace(score("Pneumonia", 0.45), zone=(0.4, 0.7), uncertain=True)
    return outcome(scan, classified(scan, doubtful))


SCAN = picture_scan(ramp(100, 80), spacing_mm=(0.5, 0.5))
STATES: dict[State, Outcome] = {
    "finding": positive(SCAN),
    "uncertain": unsure(SCAN),
    "no-finding": negative(SCAN),
    "done": outcome(SCAN, translation(SCAN.grid, 255.0 - SCAN.voxels)),
    "not-analysed": outcome(SCAN, refusal()),
    "failed": failed(),
}


# What every state shows ----------------------------------------------------------------------------------


def test_every_state_is_drawn() -> None:
    assert set(STATES) == set(get_args(State))
    assert all(of.result.state == state for state, of in STATES.items())


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        ("finding", VERMILION),
        ("uncertain", ORANGE),
        ("no-finding", BLUE),
        ("done", PURPLE),
        ("not-analysed", GREY),
        ("failed", YELLOW),
    ],
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
    assert DISCLAIMER in said


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
    said = words_of(monkeypatch, STATES["finding"])
    assert any("Tiny 1.0.0, fp32 on fake 1.2.3, pack abababababab" in line for line in said)


def test_the_name_of_the_file_stands_on_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    for state in STATES.values():
        name = Path(state.result.scan.sources[0].path).name
        assert any(line.startswith(f"{name}. ") for line in words_of(monkeypatch, state))


def test_what_a_person_vouched_for_stands_on_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    vouched = replace(STATES["finding"], result=replace(STATES["finding"].result, confirmed={"modality": "CR"}))
    assert "Vouched for by a person: modality CR" in words_of(monkeypatch, vouched)


def test_what_the_reader_noticed_stands_on_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = replace(STATES["finding"], result=replace(STATES["finding"].result, notes=("The film is mirrored.",)))
    assert "Note: The film is mirrored." in words_of(monkeypatch, noted)


def test_no_finding_says_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words_of(monkeypatch, STATES["no-finding"])
    assert any(line.startswith("NO FINDING: looked for ") and line.endswith(" only") for line in said)


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
    return np.asarray(phantom((1, 50, 60))[0] % 251, dtype=dtype)


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


def fitted_view(scan: Scan) -> Box:
    """Where the picture is drawn."""
    (view,) = views_of(scan, [slice_shown(scan, None)])
    return view.fitted(TWO.panels[0])


def shown(scan: Scan) -> Array:
    """Grey values of the picture as it is drawn, (y, x)."""
    box = fitted_view(scan)
    picture = pixels(outcome(scan, refusal()))
    return np.asarray(picture[box.top : box.top + box.height, box.left : box.left + box.width, 0])


@pytest.mark.parametrize("side", [101, 240])
def test_a_grey_picture_is_made_smaller_as_the_same_picture_in_colours(side: int) -> None:
    scan = picture_scan(ramp(side, side + 7))
    (view,) = views_of(scan, [slice_shown(scan, None)])
    room = Box(left=0, top=0, width=60, height=60)
    wanted = cv2.resize(view.pixels.copy(), (60, 60), interpolation=cv2.INTER_AREA)
    assert view.pixels.strides[-1] == 0
    assert np.array_equal(view.shrunk(room).pixels, wanted)


def test_a_picture_in_many_pieces_is_as_grey_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = picture_scan(ramp(40, 40, "uint16"), window=Window(center=100.0, width=120.0))
    plane = slice_shown(scan, None)
    at_once = views_of(scan, [plane])[0].pixels
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4 * 40 * 7)
    assert np.array_equal(views_of(scan, [plane])[0].pixels, at_once)
    assert at_once.min() < at_once.max()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize(
    "window", [None, Window(center=100.0, width=200.0), Window(center=100, width=200, function="SIGMOID")]
)
def test_air_is_dark_whichever_way_the_numbers_run(dtype: str, window: Window | None) -> None:
    bright_right = ramp(40, 40, dtype)
    plain = shown(picture_scan(bright_right, window=window))
    inverted = shown(picture_scan(bright_right, window=window, photometric="MONOCHROME1"))
    assert plain[5, 5] < 60
    assert plain[-60, -5] > 190
    assert inverted[5, 5] > 190
    assert inverted[-60, -5] < 60


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
    assert "Bar: 10 mm in the patient" in words_of(monkeypatch, positive(scan))


def test_without_a_known_spacing_there_is_no_bar_but_words(monkeypatch: pytest.MonkeyPatch) -> None:
    of = outcome(picture_scan(np.zeros((100, 100), np.uint8)), refusal())
    assert bar_of(of) == 0
    assert "No scale: the file does not give the size of a pixel." in words_of(monkeypatch, of)


def test_a_bar_that_cannot_be_drawn_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No scale: the picture is too small to draw a bar." in words_of(monkeypatch, negative(SCANS["one-column"]))


def test_pixels_that_are_not_square_are_drawn_in_their_true_proportions() -> None:
    box = fitted_view(picture_scan(ramp(100, 100), spacing_mm=(1.0, 0.5)))
    assert (box.height, box.width) == (440, 220)
