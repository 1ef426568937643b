"""A good film passes; one with a border, without shades, or beside another is named, by the pack's limits or ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.check import check_scan
from edge.check.film import (
    FEWEST,
    RADIOGRAPHS,
    Lines,
    as_film,
    border_of,
    count_films,
    filled_share,
    saturated_share,
)
from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.prepare import pieces
from edge.scan import Scan
from tests.check.films import DX, LOOK, SIDE, Film, accepting, film, scan_of

Plant = Callable[[Film], Film]


def burnt(picture: Film) -> Film:
    middle = float(np.median(picture))
    return np.asarray(np.clip((picture - middle) * 20 + 2048, 0, 4095), np.uint16)


def framed(value: int) -> Plant:
    return lambda picture: np.pad(picture, SIDE // 2, constant_values=value)


def beside(picture: Film) -> Film:
    return np.hstack([picture, np.full((SIDE, 4), 4095, np.uint16), film(9)])


def above(picture: Film) -> Film:
    return np.vstack([picture, np.zeros((4, SIDE), np.uint16), film(9)])


PLANTED: dict[str, tuple[Plant, str]] = {
    "burnt": (burnt, "C743"),
    "dark frame": (framed(0), "C744"),
    "bright frame": (framed(4095), "C744"),
    "side by side": (beside, "C745"),
    "one above the other": (above, "C745"),
}


def said(scan: Scan, accepts: Accepts) -> list[Notice]:
    return list(as_film(scan, accepts))


@pytest.mark.parametrize("seed", range(5))
def test_a_good_film_passes(seed: int) -> None:
    assert said(scan_of(film(seed)), accepting()) == []
    assert said(scan_of(film(seed)), accepting(LOOK)) == []


@pytest.mark.parametrize(("plant", "code"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_has_its_code_alone_and_is_warned_of(plant: Plant, code: str) -> None:
    (notice,) = check_scan(scan_of(plant(film())), accepting())
    assert (notice.reason.code, notice.severity) == (code, "warn")


@pytest.mark.parametrize(("plant", "code"), PLANTED.values(), ids=PLANTED)
def test_where_the_pack_tells_limits_it_is_refused(plant: Plant, code: str) -> None:
    (notice,) = said(scan_of(plant(film())), accepting(LOOK))
    assert (notice.reason.code, notice.severity) == (code, "refuse")


def test_the_packs_own_limits_count() -> None:
    narrow = scan_of(np.pad(film(), ((0, 0), (0, SIDE // 4))))
    strict, lax = replace(LOOK, least_filled=0.81), replace(LOOK, least_filled=0.79)
    assert [notice.reason.code for notice in said(narrow, accepting(strict))] == ["C744"]
    assert said(narrow, accepting(lax)) == []
    share = saturated_share(burnt(film()))
    assert said(scan_of(burnt(film())), accepting(replace(LOOK, most_saturated=share))) == []


@pytest.mark.parametrize("plant", [plant for plant, _ in PLANTED.values()], ids=PLANTED)
def test_the_check_measures_what_its_limits_were_measured_by(plant: Plant) -> None:
    picture = np.pad(plant(film()), ((3, 0), (0, 7)))
    exact = replace(LOOK, most_saturated=saturated_share(picture), least_filled=filled_share(picture))
    within = {notice.reason.code for notice in said(scan_of(picture), accepting(exact))}
    assert within == ({"C745"} if count_films(picture) > 1 else set())
    beyond = replace(LOOK, most_saturated=exact.most_saturated - 1e-9, least_filled=exact.least_filled + 1e-9)
    found = {notice.reason.code for notice in said(scan_of(picture), accepting(beyond))}
    assert found == within | {"C743", "C744"}


def test_the_ends_of_rows_and_columns_are_those_of_all_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = film().astype(np.int16) - 2000
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4 * picture.shape[1] * 5)
    assert len(list(pieces.pieces_of(picture))) > len(picture) // 6
    lines = Lines.of(picture)
    for axis in (0, 1):
        assert np.array_equal(lines.least[axis], picture.min(axis=1 - axis))
        assert np.array_equal(lines.greatest[axis], picture.max(axis=1 - axis))


@pytest.mark.parametrize("modality", ["US", "OP", "MG", "CT", None])
def test_where_nobody_tells_limits_only_radiographs_are_looked_at(modality: str | None) -> None:
    assert modality not in RADIOGRAPHS
    assert said(scan_of(framed(0)(film()), replace(DX, modality=modality)), accepting()) == []


def test_of_too_few_points_nothing_is_said_without_limits() -> None:
    few = scan_of(np.pad(film(side=FEWEST // 4), FEWEST // 4)[:, : FEWEST - 1])
    assert said(few, accepting()) == []
    assert [notice.reason.code for notice in said(few, accepting(LOOK))] == ["C744"]


def test_volumes_colour_pictures_and_blank_ones_are_no_films() -> None:
    framed_scan = scan_of(framed(0)(film()))
    assert said(replace(framed_scan, stack="frames"), accepting(LOOK)) == []
    assert (
        said(replace(framed_scan, voxels=np.repeat(framed_scan.voxels[..., None], 3, axis=-1)), accepting(LOOK)) == []
    )
    assert said(scan_of(np.full((SIDE, SIDE), 7, np.uint16)), accepting(LOOK)) == []
    assert said(scan_of(np.where(film() > 0, np.nan, np.nan).astype(np.float32)), accepting(LOOK)) == []


def test_noise_in_a_border_is_no_picture() -> None:
    rng = np.random.default_rng(0)
    noisy = framed(0)(film()).astype(np.int32) + rng.integers(0, 20, (2 * SIDE, 2 * SIDE))
    assert filled_share(noisy) == pytest.approx(0.25)


def test_a_hot_point_does_not_make_the_rest_plain() -> None:
    hot = film().astype(np.int64)
    hot[5, 5] = 10**9
    assert filled_share(hot) == 1.0


def test_a_border_is_found_on_each_side_by_itself() -> None:
    widths = ((1, 2), (3, 4))
    rows, columns = border_of(np.pad(film(), widths))
    assert (rows, columns) == (slice(1, 1 + SIDE), slice(3, 3 + SIDE))


def test_what_is_plain_all_over_has_no_border() -> None:
    plain: NDArray[np.uint8] = np.zeros((5, 7), np.uint8)
    assert border_of(plain) == (slice(0, 5), slice(0, 7))


def test_three_films_are_three_and_a_caption_is_none() -> None:
    gap = np.zeros((SIDE, 6), np.uint16)
    parts = [film(1), gap, film(2), gap, film(3)]
    assert count_films(np.hstack(parts)) == 3
    assert count_films(np.hstack([film(1), gap, film(2)[:, : SIDE // 8]])) == 1


def test_one_plain_column_is_no_gap() -> None:
    line = film()
    line[:, SIDE // 2] = 0
    assert count_films(line) == 1


def test_the_share_of_plain_points_is_told() -> None:
    (notice,) = said(scan_of(framed(0)(film())), accepting())
    assert notice.detail == "25% of it lies within its border, expected at least 50%."
