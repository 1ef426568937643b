"""How a picture lies is told by the pack's template: upright, turned, mirrored, a negative, or like nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from convert.looks import SIZE
from edge.check import check_scan
from edge.check.look import position, positions, ranked, reduced
from edge.pack.manifest import Accepts
from edge.scan import Scan
from tests.check.films import DX, LOOK, SIDE, Film, accepting, film, scan_of, square

Plant = Callable[[Film], Film]

PLANTED: dict[str, tuple[Plant, str, str]] = {
    "negative": (lambda picture: 4095 - picture, "C746", "refuse"),
    "quarter turn": (lambda picture: np.rot90(picture, 1), "C747", "refuse"),
    "half turn": (lambda picture: np.rot90(picture, 2), "C747", "refuse"),
    "three quarter turns": (lambda picture: np.rot90(picture, 3), "C747", "refuse"),
    "upside down": (lambda picture: picture[::-1], "C747", "refuse"),
    "transposed": (lambda picture: picture.T, "C747", "refuse"),
    "mirrored": (lambda picture: picture[:, ::-1], "C748", "warn"),
    "shuffled": (
        lambda picture: np.random.default_rng(0).permutation(picture.ravel()).reshape(picture.shape),
        "C749",
        "refuse",
    ),
}


@pytest.mark.parametrize("seed", range(60, 70))
def test_a_good_film_passes(seed: int) -> None:
    assert check_scan(scan_of(film(seed)), accepting(LOOK)) == ()


@pytest.mark.parametrize("seed", [60, 61])
@pytest.mark.parametrize(("plant", "code", "severity"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_has_its_code_alone(plant: Plant, code: str, severity: str, seed: int) -> None:
    (notice,) = check_scan(scan_of(np.ascontiguousarray(plant(film(seed)))), accepting(LOOK))
    assert (notice.reason.code, notice.severity) == (code, severity)


def test_neither_exposure_nor_shades_nor_size_count() -> None:
    plain = square(film())
    dark = np.asarray((film() / 4095.0) ** 3 * 900, np.float32)
    found = reduced(scan_of(dark), SIZE)
    assert found is not None
    assert float((plain * found).sum()) > 0.97
    enlarged = np.asarray(cv2.resize(film().astype(np.float32), (300, 300)), np.float32)
    assert check_scan(scan_of(enlarged), accepting(LOOK)) == ()


def test_what_is_stored_with_dark_for_high_values_is_seen_as_it_is_shown() -> None:
    stored = scan_of(4095 - film(), replace(DX, photometric="MONOCHROME1"))
    assert position(stored, accepting(LOOK)) is None
    wrong = position(scan_of(film(), replace(DX, photometric="MONOCHROME1")), accepting(LOOK))
    assert wrong is not None
    assert wrong.reason.code == "C746"


def test_the_middle_square_of_a_long_film_is_looked_at() -> None:
    rng = np.random.default_rng(3)
    side = rng.integers(0, 4095, (SIDE, SIDE // 2)).astype(np.uint16)
    assert position(scan_of(np.hstack([side, film(), side])), accepting(LOOK)) is None


def test_a_colour_picture_is_seen_by_its_brightness() -> None:
    picture = np.repeat(film()[..., np.newaxis], 3, axis=-1)
    colour = Accepts(stack="picture", colour="rgb", look=LOOK)
    assert position(scan_of(picture), colour) is None
    turned = position(scan_of(np.rot90(picture).copy()), colour)
    assert turned is not None
    assert turned.reason.code == "C747"


def unlooked() -> list[tuple[Scan, Accepts]]:
    turned = scan_of(np.rot90(film()).copy())
    empty = scan_of(np.full((SIDE, SIDE), np.nan, np.float32))
    return [(turned, accepting()), (replace(turned, stack="frames"), accepting(LOOK)), (empty, accepting(LOOK))]


@pytest.mark.parametrize("case", range(3))
def test_nothing_is_said_without_a_look_of_other_than_pictures_and_of_what_are_no_numbers(case: int) -> None:
    assert position(*unlooked()[case]) is None


def test_a_picture_without_any_difference_is_like_nothing() -> None:
    notice = position(scan_of(np.full((SIDE, SIDE), 7, np.uint16)), accepting(LOOK))
    assert notice is not None
    assert (notice.reason.code, notice.detail[:21]) == ("C749", "Its likeness is 0.00,")


def test_a_square_has_eight_positions() -> None:
    each = positions(np.arange(9.0).reshape(3, 3))
    assert len({one.tobytes() for one in each}) == len(each) == 8
    assert np.array_equal(each[4], np.arange(9.0).reshape(3, 3)[:, ::-1])


def test_equal_values_share_their_rank() -> None:
    assert ranked(np.array([[5, 5], [1, 9]], np.float32)).tolist() == [[1.5, 1.5], [0.0, 3.0]]
