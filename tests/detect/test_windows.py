"""Boxes of windows: what a border cut is told once, and no box that nobody else holds is lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.detect.layouts import Candidates
from edge.detect.windows import COVERED, _is_cut, put_together
from edge.volume.tiles import Start, Tiles

TILES = Tiles.of((30, 1, 40), (16, 1, 16), 0.5)


def candidates(*boxes: Sequence[float], label: int = 0) -> Candidates:
    return Candidates(
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        scores=np.full(len(boxes), 0.9),
        labels=np.full(len(boxes), label, dtype=np.intp),
    )


def together(*parts: tuple[Start, Candidates]) -> list[list[float]]:
    found: list[list[float]] = put_together(parts, TILES).boxes.tolist()
    return found


def test_boxes_move_with_their_windows() -> None:
    assert together(((8, 0, 16), candidates((2, 3, 6, 8)))) == [[10, 19, 14, 24]]


def test_a_part_that_a_border_cut_gives_way_to_the_whole() -> None:
    whole = ((8, 0, 8), candidates((4, 4, 10, 10)))  # 12 to 18 on the picture
    part = ((0, 0, 0), candidates((12, 12, 16, 16)))
    assert together(part, whole) == [[12, 12, 18, 18]]


def test_a_part_stays_where_nobody_saw_the_whole() -> None:
    assert together(((0, 0, 0), candidates((12, 12, 16, 16)))) == [[12, 12, 16, 16]]


def test_two_parts_of_one_thing_both_stay() -> None:
    left = ((0, 0, 0), candidates((4, 10, 8, 16)))
    right = ((0, 0, 8), candidates((4, 0, 8, 12)))
    assert len(together(left, right)) == 2


def test_a_part_of_another_label_stays() -> None:
    whole = ((8, 0, 8), candidates((4, 4, 10, 10), label=1))
    part = ((0, 0, 0), candidates((12, 12, 16, 16)))
    assert len(together(part, whole)) == 2


def test_a_part_that_lies_half_in_another_box_stays() -> None:
    whole = ((8, 0, 8), candidates((4, 4, 6, 10)))
    part = ((0, 0, 0), candidates((12, 12, 16, 16)))
    assert len(together(part, whole)) == 2


def test_the_whole_is_found_among_many_in_whatever_order_and_however_tall() -> None:
    generator = np.random.default_rng(3)
    starts = [start for row in TILES.starts_along[0] for start, _ in TILES.row(row)]
    corners = generator.uniform(0, 12, (len(starts), 20, 2))
    sizes = generator.uniform(0.5, 16, (len(starts), 20, 2))
    parts = [
        (start, candidates(*np.concatenate([corner, np.minimum(corner + size, 16)], axis=1).tolist()))
        for start, corner, size in zip(starts, corners, sizes, strict=True)
    ]
    moved = np.concatenate([found.boxes + [start[0], start[2]] * 2 for start, found in parts])
    cut = np.concatenate([_is_cut(found.boxes + [s[0], s[2]] * 2, (s[0], s[2]), TILES) for s, found in parts])
    inside = np.minimum(moved[:, None, 2:], moved[~cut][:, 2:]) - np.maximum(moved[:, None, :2], moved[~cut][:, :2])
    shares = inside.clip(0).prod(axis=2) / (moved[:, 2:] - moved[:, :2]).prod(axis=1)[:, None]
    held = cut & (shares >= COVERED).any(axis=1)
    assert 0 < held.sum() < cut.sum()
    assert together(*parts) == moved[~held].tolist()


def test_the_border_of_the_picture_cuts_nothing() -> None:
    """A box at the corner of the picture is as whole as it can be."""
    corner = ((0, 0, 0), candidates((0, 0, 6, 6)))
    inside = ((0, 0, 0), candidates((0, 0, 7, 7)))
    assert len(together(corner, inside)) == 2


def test_windows_without_boxes_give_none() -> None:
    assert together(((0, 0, 0), candidates()), ((0, 0, 8), candidates())) == []
