"""Steps that change values, each against the formula of its standard."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import PackError
from edge.prepare import pieces
from edge.scan import Window
from edge.testing import phantom
from tests.prepare.images import apply, picture, scan_of, step

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


def by_the_standard(x: float, center: float, width: float, function: str) -> float:
    """PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1, word for word, with y from 0 to 1."""
    if function == "SIGMOID":
        exponent = -4 * (x - center) / width
        return 0.0 if exponent > 700 else 1 / (1 + math.exp(exponent))
    if function == "LINEAR_EXACT":
        if x <= center - width / 2:
            return 0.0
        return 1.0 if x > center + width / 2 else (x - center) / width + 0.5
    if x <= center - 0.5 - (width - 1) / 2:
        return 0.0
    if x > center - 0.5 + (width - 1) / 2:
        return 1.0
    return (x - (center - 0.5)) / (width - 1) + 0.5


VALUES = [-2000.0, -161.0, -160.0, -159.5, 39.0, 39.5, 40.0, 40.5, 41.0, 239.0, 240.0, 3000.0]


@pytest.mark.parametrize("function", get_args(Function))
@pytest.mark.parametrize(("center", "width"), [(40.0, 400.0), (40.0, 1.0), (40.5, 2.0), (-600.0, 1500.0), (40.0, 3.0)])
def test_a_window_of_the_file_is_applied_as_the_standard_says(function: Function, center: float, width: float) -> None:
    window = Window(center=center, width=width, function=function)
    image = apply(scan_of(picture([VALUES]), window=window), step("voi_window"))
    wanted = [by_the_standard(x, center, width, function) for x in VALUES]
    assert np.allclose(image.voxels.ravel(), wanted, atol=1e-6)
    assert image.voxels.dtype == np.float32


def test_a_linear_window_of_width_one_is_a_step() -> None:
    window = Window(center=40.0, width=1.0, function="LINEAR")
    image = apply(scan_of(picture([[39.0, 39.5, 40.0, 41.0]]), window=window), step("voi_window"))
    assert image.voxels.ravel().tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("function", get_args(Function))
@given(
    center=st.integers(-100, 400).map(lambda n: n / 2),
    width=st.integers(1, 500),
    stored=st.lists(st.integers(0, 255), min_size=1, max_size=20),
)
def test_a_monochrome1_picture_becomes_the_mirror_of_its_window(
    function: Function, center: float, width: int, stored: list[int]
) -> None:
    window = Window(center=center, width=float(width), function=function)
    voxels = picture([stored], "uint8")
    inverted = scan_of(voxels, photometric="MONOCHROME1", value_range=(0.0, 255.0), window=window)
    shown = apply(inverted, step("monochrome2"), step("voi_window")).voxels
    plain = apply(scan_of(voxels, window=window), step("monochrome2"), step("voi_window")).voxels
    assert np.allclose(shown, 1.0 - plain, atol=1e-6)


def test_a_monochrome1_picture_without_a_window_is_mirrored_in_what_its_bits_can_say() -> None:
    scan = scan_of(picture([[0, 100, 4095]], "uint16"), photometric="MONOCHROME1", value_range=(0.0, 4095.0))
    assert apply(scan, step("monochrome2")).voxels.ravel().tolist() == [4095.0, 3995.0, 0.0]
    assert apply(scan, step("monochrome2"), step("monochrome2")).voxels.ravel().tolist() == [4095.0, 3995.0, 0.0]
    shown = apply(scan, step("monochrome2"), step("voi_window")).voxels.ravel()
    assert np.allclose(shown, [1.0, 3995 / 4095, 0.0])


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB"])
def test_only_monochrome1_is_inverted(photometric: str) -> None:
    scan = scan_of(picture([[0, 100, 255]], "uint8"), photometric=photometric, value_range=(0.0, 255.0))
    assert apply(scan, step("monochrome2")).voxels.ravel().tolist() == [0, 100, 255]


def test_a_scan_without_a_window_is_seen_through_all_that_its_bits_can_say() -> None:
    scan = scan_of(picture([[0, 1023, 4095]], "uint16"), value_range=(0.0, 4095.0))
    assert np.allclose(apply(scan, step("voi_window")).voxels.ravel(), [0.0, 1023 / 4095, 1.0])


def test_a_constant_scan_without_a_range_is_no_division_by_zero() -> None:
    scan = scan_of(picture([[7.0, 7.0]]))
    for name in ("voi_window", "min_max", "z_score"):
        assert apply(scan, step(name)).voxels.ravel().tolist() == [0.0, 0.0]


def test_a_window_of_the_pack_is_exact() -> None:
    image = apply(scan_of(picture([VALUES])), step("window", center=40.0, width=400.0))
    assert np.allclose(image.voxels.ravel(), [by_the_standard(x, 40.0, 400.0, "LINEAR_EXACT") for x in VALUES])


def test_huge_values_through_a_sigmoid_stay_between_0_and_1() -> None:
    window = Window(center=0.0, width=1.0, function="SIGMOID")
    image = apply(scan_of(picture([[-1e30, -1e5, 0.0, 1e5, 1e30]]), window=window), step("voi_window"))
    assert image.voxels.ravel().tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("named", [step("voi_window"), step("window", center=400.0, width=200.0), step("min_max")])
def test_a_picture_in_many_pieces_becomes_what_it_becomes_in_one(
    named: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = scan_of(phantom((2, 11, 7)), window=Window(center=300.0, width=500.0))
    at_once = apply(scan, named).voxels
    assert at_once.min() < at_once.max()
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4 * 7 * 3)
    assert np.array_equal(apply(scan, named).voxels, at_once)


def test_no_step_changes_the_scan_itself() -> None:
    scan = scan_of(phantom((1, 9, 9)), window=Window(center=0.5, width=0.5))
    before = scan.voxels.copy()
    apply(scan, step("center_square"), step("voi_window"), step("rescale", low=0.2, high=0.4))
    assert np.array_equal(scan.voxels, before)


def test_rescaling_clips_unless_told_not_to() -> None:
    scan = scan_of(picture([[-10, 0, 5, 10, 20]], "int16"))
    clipped = apply(scan, step("rescale", low=0.0, high=10.0, to_low=-1.0, to_high=1.0))
    free = apply(scan, step("rescale", low=0.0, high=10.0, to_low=-1.0, to_high=1.0, clip=False))
    assert clipped.voxels.ravel().tolist() == [-1, -1, 0, 1, 1]
    assert free.voxels.ravel().tolist() == [-3, -1, 0, 1, 3]


def test_percentiles_are_those_of_the_scan_itself() -> None:
    voxels = phantom((1, 20, 20))
    least, greatest = np.percentile(voxels, [5, 95])
    image = apply(scan_of(voxels), step("percentile_clip", low=5.0, high=95.0))
    assert np.allclose(image.voxels, voxels.clip(least, greatest))
    assert image.voxels.min() == np.float32(least)


def test_the_least_value_becomes_0_and_the_greatest_1() -> None:
    image = apply(scan_of(picture([[-32768, 0, 32767]], "int16")), step("min_max"))
    assert np.allclose(image.voxels.ravel(), [0.0, 32768 / 65535, 1.0])


def test_a_z_score_has_mean_0_and_deviation_1() -> None:
    image = apply(scan_of(phantom((1, 20, 20))), step("z_score"))
    assert image.voxels.mean() == pytest.approx(0.0, abs=1e-5)
    assert image.voxels.std() == pytest.approx(1.0, abs=1e-5)


def test_a_z_score_of_what_is_not_0_leaves_0_alone() -> None:
    image = apply(scan_of(picture([[0, 0, 2, 4]])), step("z_score", nonzero=True))
    assert image.voxels.ravel().tolist() == [0, 0, -1, 1]
    empty = apply(scan_of(picture([[0, 0]])), step("z_score", nonzero=True))
    assert empty.voxels.ravel().tolist() == [0, 0]


RED = np.array([[[[255, 10, 1]]]], dtype=np.uint8)
GREY_OF_RED = 0.299 * 255 + 0.587 * 10 + 0.114 * 1


@pytest.mark.parametrize(
    ("order", "wanted"),
    [("rgb", [255, 10, 1]), ("bgr", [1, 10, 255]), ("grey", [GREY_OF_RED]), ("grey3", [GREY_OF_RED] * 3)],
)
def test_a_colour_picture_gets_the_channels_that_the_model_wants(order: str, wanted: list[float]) -> None:
    assert np.allclose(apply(scan_of(RED, photometric="RGB"), step("channels", order=order)).voxels.ravel(), wanted)


@pytest.mark.parametrize(("order", "count"), [("rgb", 3), ("bgr", 3), ("grey", 1), ("grey3", 3)])
def test_a_grey_picture_gets_the_channels_that_the_model_wants(order: str, count: int) -> None:
    image = apply(scan_of(picture([[7, 9]])), step("channels", order=order))
    assert image.voxels.ravel().tolist() == np.repeat([7, 9], count).tolist()
    assert image.voxels.shape == ((1, 1, 2) if count == 1 else (1, 1, 2, 3))


def test_each_channel_is_normalised_by_its_own_numbers() -> None:
    named = step("normalise", mean=[5.0, 10.0, 1.0], std=[250.0, 5.0, 0.5])
    assert apply(scan_of(RED), named).voxels.ravel().tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "named",
    [
        step("normalise", mean=[1.0, 2.0, 3.0], std=[1.0]),
        step("normalise", mean=[1.0], std=[1.0, 2.0, 3.0]),
        step("normalise", mean=[], std=[1.0]),
        step("rescale", low=1.0, high=1.0),
        step("percentile_clip", low=95.0, high=5.0),
    ],
    ids=str,
)
def test_numbers_that_fit_no_picture_are_a_mistake_of_the_pack(named: dict[str, object]) -> None:
    three_wide = scan_of(picture([[1.0, 2.0, 3.0]]))  # as wide as a colour picture is deep
    with pytest.raises(PackError) as caught:
        apply(three_wide, named)
    assert caught.value.reason.code == "P401"


@pytest.mark.parametrize(
    ("named", "path"),
    [
        (step("window", center=0.0, width=0.0), "width"),
        (step("normalise", mean=[0.0], std=[0.0]), r"std\[0\]"),
        (step("percentile_clip", low=-1.0, high=99.0), "low"),
        (step("channels", order="cmyk"), "order"),
        (step("rescale", low=0.0), "high"),
        (step("z_score", nonzero=1), "nonzero"),
        (step("window", center=math.inf, width=1.0), "center"),
    ],
)
def test_an_impossible_option_is_refused_with_its_path(named: dict[str, object], path: str) -> None:
    with pytest.raises(PackError, match=rf"\$\.inputs\[0\]\.steps\[0\]\.{path}: ") as caught:
        apply(scan_of(picture([[1.0, 2.0]])), named)
    assert caught.value.reason.code == "P401"
