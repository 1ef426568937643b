"""Films that are spoilt on purpose are spoilt in the way that is meant, and noticed by the checks that are meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convert.spoilt import SPOILS, burnt, doubled, drowned, framed, spoilt
from edge.check import check_scan
from edge.check.film import count_films, filled_share, saturated_share
from tests.check.films import DX, accepting, film, made_look, scan_of

SCAN = scan_of(film(3, 120), DX)


def test_much_of_a_burnt_or_drowned_picture_is_plain_though_not_at_the_end_of_the_scale() -> None:
    for made in (burnt(SCAN), drowned(SCAN)):
        assert saturated_share(made.voxels[0]) > 0.4
        assert 0 < made.voxels.min() < made.voxels.max() < 4095


def test_less_than_a_third_of_a_framed_picture_is_left() -> None:
    assert filled_share(framed(SCAN).voxels[0]) < 0.33


def test_a_doubled_picture_shows_two_films() -> None:
    assert count_films(doubled(SCAN).voxels[0]) == 2


def test_each_scan_is_spoilt_in_the_next_way_and_keeps_its_type() -> None:
    made = [spoilt(SCAN, number) for number in range(len(SPOILS) + 1)]
    assert np.array_equal(made[0].voxels, made[-1].voxels)
    assert all(each.voxels.dtype == SCAN.voxels.dtype for each in made)
    assert not any(np.array_equal(each.voxels, SCAN.voxels) for each in made)


def test_every_way_is_noticed_by_a_pack_that_knows_its_films() -> None:
    accepts = accepting(made_look())
    whole, *told = (
        {note.reason.code for note in check_scan(each, accepts)}
        for each in (SCAN, *(spoilt(SCAN, number) for number in range(len(SPOILS))))
    )
    assert all(codes - whole for codes in told)


def test_colours_can_be_spoilt_too() -> None:
    scan = replace(SCAN, voxels=np.stack([SCAN.voxels] * 3, axis=-1))
    assert all(spoilt(scan, number).voxels.shape == scan.voxels.shape for number in range(len(SPOILS)))
