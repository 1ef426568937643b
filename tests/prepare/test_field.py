"""The round field of a fundus camera and the sector of an ultrasound machine, each found in phantoms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.examples import get_path

from edge.errors import PackError, ReadError
from edge.prepare.field import Circle, field_circle
from edge.prepare.image import Image
from edge.scan import Scan
from tests.prepare.images import apply, scan_of, step
from tests.read.dicom_files import load

Array = NDArray[Any]


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> Array:
    rows, columns = np.indices(shape)
    return np.asarray(np.hypot(rows - y, columns - x) <= radius)


def fundus(shape: tuple[int, int], y: float, x: float, radius: float, *, seed: int = 0, notch: bool = False) -> Array:
    """A retina in colour, dimmer towards its edge, in a noisy dark surround; (1, y, x, 3), uint8."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    away = np.hypot(rows - y, columns - x) / radius
    shade = np.where(away <= 1, 200 - 130 * away**2, 0)
    if notch:
        shade[int(y - radius) - 8 : int(y - radius) + 12, int(x) - 9 : int(x) + 9] = 120
    colours = shade[..., np.newaxis] * np.array([1.0, 0.5, 0.25]) + rng.integers(0, 6, (*shape, 3))
    return np.asarray(colours.clip(0, 255).astype(np.uint8)[np.newaxis])


def photograph(voxels: Array) -> Scan:
    return scan_of(voxels, photometric="RGB", value_range=(0.0, 255.0))


def place_of(image: Image, at: tuple[float, float]) -> tuple[float, float]:
    """Where in the original picture the pixel `at` of the image lies, (y, x)."""
    x, y, *_ = image.grid.matrix @ [0, *at, 1]
    return float(y), float(x)


PLACES = [
    ((200, 300), 99.0, 151.0, 90.0),
    ((200, 300), 110.0, 120.5, 70.0),
    ((200, 300), 100.0, 150.0, 125.0),  # cut off above and below
    ((301, 201), 150.0, 100.0, 80.0),
    ((240, 240), 130.0, 110.0, 140.0),  # cut off on every side but for the corners
]


@pytest.mark.parametrize(("shape", "y", "x", "radius"), PLACES)
def test_the_circle_is_found_wherever_it_lies(shape: tuple[int, int], y: float, x: float, radius: float) -> None:
    found = field_circle(fundus(shape, y, x, radius)[0].max(axis=-1).astype(np.float32), 0.06)
    assert found is not None
    assert abs(found.y - y) < 0.8
    assert abs(found.x - x) < 0.8
    assert abs(found.radius - radius) < 1.5


@pytest.mark.parametrize(("shape", "y", "x", "radius"), PLACES)
def test_the_picture_becomes_the_square_around_the_circle_and_the_grid_moves_along(
    shape: tuple[int, int], y: float, x: float, radius: float
) -> None:
    voxels = fundus(shape, y, x, radius)
    image = apply(photograph(voxels), step("fundus_field"))
    side = image.voxels.shape[1]
    assert image.voxels.shape == (1, side, side, 3)
    assert abs(side - (2 * radius + 1)) <= 3
    centre = place_of(image, ((side - 1) / 2, (side - 1) / 2))
    assert centre == pytest.approx((y, x), abs=1.0)
    for row, column in ((side // 2, side // 2), (side // 3, side // 2), (side // 2, side // 4)):
        there = place_of(image, (row, column))
        assert image.voxels[0, row, column].tolist() == voxels[0, int(there[0]), int(there[1])].tolist()


def test_outside_the_circle_everything_has_the_fill() -> None:
    voxels = fundus((200, 300), 99.0, 151.0, 90.0)
    voxels[0, 15:22, 70:100] = 255  # a name, burned in beside the field, within the square
    image = apply(photograph(voxels), step("fundus_field", fill=-1.0))
    side = image.voxels.shape[1]
    away = np.hypot(*(np.indices((side, side)) - (side - 1) / 2))
    assert np.all(image.voxels[0][away > 93] == -1.0)
    assert np.all(image.voxels[0][away < 87] >= 0.0)


def test_the_margin_is_a_share_of_the_radius() -> None:
    scan = photograph(fundus((200, 300), 99.0, 151.0, 80.0))
    close, wide = (apply(scan, step("fundus_field", margin=margin)).voxels.shape[1] for margin in (0.0, 0.25))
    assert abs(wide - 1.25 * close) <= 2


def test_moving_the_disc_moves_the_grid_and_nothing_else() -> None:
    plain = fundus((260, 320), 120.0, 130.0, 90.0)
    first = apply(photograph(plain), step("fundus_field"))
    moved = apply(photograph(np.roll(plain, (11, 37), axis=(1, 2))), step("fundus_field"))
    assert np.array_equal(first.voxels, moved.voxels)
    assert np.subtract(place_of(moved, (0, 0)), place_of(first, (0, 0))).tolist() == [11.0, 37.0]


def test_a_notch_and_a_caption_do_not_shift_the_circle() -> None:
    voxels = fundus((300, 400), 150.0, 200.0, 120.0, notch=True)
    voxels[0, 280:292, 5:60] = 230
    found = field_circle(voxels[0].max(axis=-1).astype(np.float32), 0.06)
    assert found is not None
    assert abs(found.y - 150) < 1
    assert abs(found.x - 200) < 1
    assert abs(found.radius - 120) < 1.5


def test_a_grey_picture_with_a_size_keeps_its_spacing() -> None:
    grey = fundus((200, 300), 99.0, 151.0, 90.0)[..., 0]
    image = apply(scan_of(grey, spacing_mm=(0.02, 0.03)), step("fundus_field"))
    assert image.grid.pixel_spacing_mm == pytest.approx((0.02, 0.03))
    assert image.voxels.ndim == 3


NO_DISC = {
    "all of it retina": np.full((1, 60, 80), 120, np.uint8),
    "black": np.zeros((1, 60, 80), np.uint8),
    "a square": np.pad(np.full((40, 40), 200, np.uint8), 20)[np.newaxis],
    "a line": np.pad(np.full((1, 40), 200, np.uint8), 20)[np.newaxis],
    "a speck": np.pad(np.full((3, 3), 200, np.uint8), 40)[np.newaxis],
    "noise": np.random.default_rng(1).integers(0, 255, (1, 60, 80), dtype=np.uint8),
    "a small arc": np.where(disc((200, 200), -900.0, 100.0, 1000.0), 200, 0).astype(np.uint8)[np.newaxis],
}


@pytest.mark.parametrize("voxels", NO_DISC.values(), ids=NO_DISC.keys())
def test_a_picture_without_a_disc_is_refused_or_kept_as_the_pack_says(voxels: Array) -> None:
    with pytest.raises(ReadError, match="found none") as caught:
        apply(scan_of(voxels), step("fundus_field"))
    assert caught.value.reason.code == "C720"
    kept = apply(scan_of(voxels), step("fundus_field", otherwise="keep"))
    assert np.array_equal(kept.voxels, voxels)
    assert kept.voxels.dtype == np.float32


def test_a_circle_is_found_to_a_fraction_of_a_pixel() -> None:
    found = field_circle(disc((120, 140), 60.25, 70.5, 50.0).astype(np.float32), 0.5)
    assert found is not None
    near = Circle(y=60.25, x=70.5, radius=50.0)
    assert (found.y, found.x, found.radius) == pytest.approx((near.y, near.x, near.radius), abs=0.5)


def fan(shape: tuple[int, int]) -> Array:
    """The sector of a curved probe whose apex lies above the picture."""
    rows, columns = np.indices(shape)
    depth = np.hypot(rows + 20, columns - shape[1] / 2)
    angle = np.degrees(np.arctan2(columns - shape[1] / 2, rows + 20))
    return np.asarray((depth > 50) & (depth < shape[0] - 10) & (np.abs(angle) < 35))


def text(pixels: Array, words: str, at: tuple[int, int]) -> None:
    cv2.putText(pixels, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)


def clip(frames: int = 12, shape: tuple[int, int] = (200, 260), *, colour: bool = False) -> Array:
    """Speckle that moves within a fan, and a name and a scale that do not."""
    rng = np.random.default_rng(2)
    still = np.zeros(shape, np.uint8)
    text(still, "DOE JANE 1970", (2, 14))
    text(still, "5 cm", (210, 120))
    still[60:190:10, 250:256] = 180
    speckle = rng.rayleigh(50, (frames, *shape)).clip(0, 255).astype(np.uint8)
    voxels = np.where(fan(shape), speckle, still)
    return np.repeat(voxels[..., np.newaxis], 3, axis=-1) if colour else voxels


def kept_in(image: Image) -> Array:
    """The pixels that are not -1 in any frame or channel."""
    axes = (0,) if image.voxels.ndim == 3 else (0, 3)
    return np.asarray(image.voxels.min(axis=axes) >= 0)


def overlap(found: Array, true: Array) -> float:
    return float((found & true).sum() / (found | true).sum())


@pytest.mark.parametrize("colour", [False, True])
def test_what_moves_is_kept_and_what_is_burned_in_is_blanked(*, colour: bool) -> None:
    voxels = clip(colour=colour)
    image = apply(scan_of(voxels, photometric="RGB" if colour else "MONOCHROME2"), step("ultrasound_sector", fill=-1.0))
    assert image.voxels.shape == voxels.shape
    kept = kept_in(image)
    true = fan((200, 260))
    assert overlap(kept, true) > 0.9
    assert not kept[:20].any()
    assert not kept[:, 250:].any()
    assert np.array_equal(image.voxels[:, kept], voxels[:, kept])


def test_a_moving_trace_below_the_sector_is_not_part_of_it() -> None:
    voxels = clip(shape=(240, 260))
    voxels[:, 232:] = 0
    for index, frame in enumerate(voxels):
        frame[234 + index % 4, 40:220] = 250
    kept = kept_in(apply(scan_of(voxels), step("ultrasound_sector", fill=-1.0)))
    assert not kept[234:].any()


def test_a_still_picture_loses_its_captions_too() -> None:
    voxels = clip(frames=1)
    kept = kept_in(apply(scan_of(voxels), step("ultrasound_sector", fill=-1.0)))
    assert overlap(kept, fan((200, 260))) > 0.9
    assert not kept[:20].any()


def test_the_regions_that_the_machine_describes_are_taken_at_their_word() -> None:
    regions = ((20, 30, 150, 120), (20, 140, 150, 230))
    voxels = clip()
    image = apply(replace(scan_of(voxels), regions=regions), step("ultrasound_sector", fill=-1.0))
    wanted = np.zeros((200, 260), np.bool_)
    wanted[20:151, 30:121] = wanted[20:151, 140:231] = True
    assert np.array_equal(kept_in(image), wanted)
    assert image.grid == image.scan.grid


def test_the_whole_clip_tells_what_moves_even_after_one_frame_was_selected() -> None:
    scan = scan_of(clip())
    whole = apply(scan, step("ultrasound_sector", fill=-1.0)).voxels
    one = apply(scan, step("select_frame", at=0.5), step("ultrasound_sector", fill=-1.0)).voxels
    assert np.array_equal(one, whole[6:7])


@pytest.mark.parametrize(
    "before",
    [step("resize", height=50, width=50, interpolation="area"), step("center_square"),
     step("center_crop_or_pad", height=202, width=258)],
    ids=lambda item: str(item["step"]),
)  # fmt: skip
def test_pixels_that_were_moved_before_are_the_packs_fault(before: dict[str, object]) -> None:
    with pytest.raises(PackError, match="expected it before such steps") as caught:
        apply(scan_of(clip()), before, step("ultrasound_sector"))
    assert caught.value.reason.code == "P401"


NO_SECTOR = {
    "a clip that stands still": np.repeat(clip(frames=1), 5, axis=0),
    "a blank picture": np.zeros((1, 80, 90), np.uint8),
    "a clip whose noise is everywhere": np.random.default_rng(6).integers(0, 255, (6, 80, 90), dtype=np.uint8),
    "a caption alone": np.pad(np.full((1, 4, 30), 255, np.uint8), ((0, 0), (50, 26), (30, 30))),
}


@pytest.mark.parametrize("voxels", NO_SECTOR.values(), ids=NO_SECTOR.keys())
def test_a_scan_without_a_sector_is_refused_or_kept_as_the_pack_says(voxels: Array) -> None:
    with pytest.raises(ReadError, match="looked for a sector") as caught:
        apply(scan_of(voxels), step("ultrasound_sector"))
    assert caught.value.reason.code == "C721"
    assert np.array_equal(apply(scan_of(voxels), step("ultrasound_sector", otherwise="keep")).voxels, voxels)


def test_a_real_clip_keeps_its_sector_and_loses_its_captions() -> None:
    scan = replace(load(get_path("ybr_color")), regions=())
    kept = kept_in(apply(scan, step("ultrasound_sector", fill=-1.0)))
    assert 0.35 < kept.mean() < 0.42
    assert kept[60:180, 150:170].all()  # the heart
    assert not kept[:15].any()
    assert not kept[:100, 290:].any()  # the settings on the right
    assert not kept[225:].any()  # the keys along the bottom


def test_a_real_still_picture_loses_the_names_above_it() -> None:
    kept = kept_in(apply(load(get_path("rgb_color")), step("ultrasound_sector", fill=-1.0)))
    assert 0.4 < kept.mean() < 0.5
    assert kept[70:140, 40:280].all()
    assert not kept[:54].any()
    assert not kept[180:].any()


@pytest.mark.parametrize("name", ["fundus_field", "ultrasound_sector"])
@pytest.mark.parametrize("frames", [1, 3])
def test_values_that_are_no_numbers_are_refused(name: str, frames: int) -> None:
    voxels = np.zeros((frames, 30, 40), np.float32)
    voxels[0, 3, 4] = np.nan
    with pytest.raises(ReadError) as caught:
        apply(scan_of(voxels), step(name))
    assert caught.value.reason.code == "C717"
