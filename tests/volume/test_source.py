"""Labels on the source: the shortcut through uniform cells against interpolating and deciding every voxel."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.geometry import Grid, Shape, Turn, canonical_turn
from edge.volume.source import Decision, labels_on_source
from tests.read.dicom_files import all_turns, rotated
from tests.volume.truth import Array, body, slabs_of, slow_labels, smooth_scores

SMALL = st.tuples(*[st.integers(1, 9)] * 3)
KINDS = st.sampled_from(["highest", "limits"])
TURNS = list(all_turns())


def decision_of(classes: int, kind: str) -> Decision:
    return Decision(classes=classes, limits=None if kind == "highest" else tuple(0.2 * i - 0.3 for i in range(classes)))


def agreement(found: Array, expected: Array) -> float:
    return float(np.mean(found == expected))


@settings(max_examples=120, deadline=None)
@given(
    fed_shape=SMALL,
    source_shape=SMALL,
    turn=st.sampled_from(TURNS),
    decision=st.builds(decision_of, st.integers(1, 5), KINDS),
    thickness=st.integers(1, 5),
    per_voxel=st.sampled_from([0.3, 3.0]),
)
def test_labels_are_those_of_interpolating_everything(
    fed_shape: Shape,
    source_shape: Shape,
    turn: Turn,
    decision: Decision,
    thickness: int,
    per_voxel: float,
) -> None:
    source = turn.apply_grid(body(source_shape))
    fed = canonical_turn(source).apply_grid(source).resized(fed_shape)
    scores = smooth_scores(decision.classes, fed_shape, per_voxel=per_voxel)
    found = labels_on_source(slabs_of(scores, thickness), fed, source, decision)
    assert found.shape == source.shape
    assert found.dtype == decision.dtype
    # A voxel where two classes tie to the last bit may fall either way.
    assert np.count_nonzero(found != slow_labels(scores, fed, source, decision)) <= 1


@settings(max_examples=60, deadline=None)
@given(
    start=st.tuples(*[st.floats(-4, 8)] * 3),
    scale=st.tuples(*[st.floats(0.3, 3)] * 3),
    fed_shape=SMALL,
    kind=KINDS,
)
def test_a_fed_grid_that_is_cropped_padded_or_shifted_keeps_its_place(
    start: tuple[float, float, float], scale: tuple[float, float, float], fed_shape: Shape, kind: str
) -> None:
    source = body((7, 8, 9))
    change = np.diag([*scale, 1.0])
    change[:3, 3] = start
    fed = Grid.of(fed_shape, source.matrix @ change, "patient")
    scores, decision = smooth_scores(3, fed_shape), decision_of(3, kind)
    found = labels_on_source(slabs_of(scores, 2), fed, source, decision)
    assert np.count_nonzero(found != slow_labels(scores, fed, source, decision)) <= 1


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_planted_shape_comes_back_on_its_voxels_through_every_turn(turn: Turn) -> None:
    truth = np.zeros((12, 10, 14), dtype=np.uint8)
    truth[1:9, 2:6, 3:12] = 1
    truth[6:11, 4:9, 8:13] = 2
    truth[0, 0, 0] = 3
    stored, source = turn.apply(truth), turn.apply_grid(body(truth.shape))
    to_model = canonical_turn(source)
    fed = to_model.apply_grid(source)
    scores = np.stack([to_model.apply(stored) == index for index in range(4)])
    assert np.array_equal(labels_on_source(slabs_of(scores, 3), fed, source, Decision(classes=4)), stored)


@pytest.mark.parametrize("turn", TURNS[::5], ids=str)
def test_a_planted_shape_that_was_shrunk_comes_back_without_a_shift(turn: Turn) -> None:
    coarse = np.zeros((6, 5, 7), dtype=np.float32)
    coarse[1:4, 1:3, 2:6] = 1
    source = turn.apply_grid(body((12, 10, 14)))
    fed = canonical_turn(source).apply_grid(source).resized((6, 5, 7))
    found = labels_on_source(slabs_of(coarse[np.newaxis]), fed, source, Decision(classes=1, limits=(0.5,)))
    fine = np.kron(coarse, np.ones((2, 2, 2)))
    upright = canonical_turn(source).apply(found)
    inside = np.pad(fine[3:7, 3:5, 5:11] == 1, [(3, 5), (3, 5), (5, 3)])
    assert upright[inside].all()
    assert not upright[fine == 0].any()
    places = np.argwhere(upright).mean(axis=0)
    np.testing.assert_allclose(places, np.argwhere(fine).mean(axis=0), atol=1e-9)


@pytest.mark.parametrize("kind", ["highest", "limits"])
@pytest.mark.parametrize("thicknesses", [(1,), (2, 1), (3,), (5, 2), (40,)])
def test_where_slabs_meet_makes_no_difference(thicknesses: tuple[int, ...], kind: str) -> None:
    source = body((37, 12, 11))
    fed = source.resized((17, 9, 8))
    scores, decision = smooth_scores(4, fed.shape), decision_of(4, kind)
    whole = labels_on_source(slabs_of(scores, 17), fed, source, decision)
    assert np.array_equal(labels_on_source(slabs_of(scores, *thicknesses), fed, source, decision), whole)
    assert agreement(whole, slow_labels(scores, fed, source, decision)) >= 0.9995


def test_more_mixed_voxels_than_fit_in_one_chunk_are_all_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.volume.source.CHUNK", 50)
    source = body((9, 30, 31))
    fed = source.resized((7, 16, 17))
    scores, decision = smooth_scores(5, fed.shape, per_voxel=2.0), Decision(classes=5)
    expected = slow_labels(scores, fed, source, decision)
    assert len(np.unique(expected)) == 5
    assert agreement(labels_on_source(slabs_of(scores), fed, source, decision), expected) >= 0.9995


def test_a_class_that_wins_at_no_fed_voxel_still_wins_between_them() -> None:
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, 0.9]])[:, None, None, :]
    fed = body((1, 1, 2))
    found = labels_on_source(slabs_of(scores), fed, fed.resized((1, 1, 10)), Decision(classes=3))
    assert found[0, 0].tolist() == [0, 0, 0, 2, 2, 2, 2, 1, 1, 1]


def test_equal_scores_fall_to_the_first_class() -> None:
    found = labels_on_source(slabs_of(np.ones((3, 2, 3, 4))), body((2, 3, 4)), body((2, 3, 4)), Decision(classes=3))
    assert not found.any()


def test_what_the_model_did_not_see_is_background() -> None:
    source = body((6, 7, 8))
    fed = source.cropped((1, 2, 3), (3, 2, 4))
    scores = np.zeros((2, *fed.shape))
    scores[1] = 1
    found = labels_on_source(slabs_of(scores, 2), fed, source, Decision(classes=2))
    expected = np.zeros(source.shape, dtype=np.uint8)
    expected[1:4, 2:4, 3:7] = 1
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("limits", [(-1.0,), (0.5,)])
def test_a_limit_below_every_score_labels_no_voxel_that_was_not_seen(limits: tuple[float, ...]) -> None:
    source = body((4, 4, 4))
    elsewhere = source.cropped((0, 0, 10), (4, 4, 4))
    found = labels_on_source(slabs_of(np.ones((1, 4, 4, 4))), elsewhere, source, Decision(classes=1, limits=limits))
    assert not found.any()


def rotated_in_place(grid: Grid) -> Grid:
    """The grid after an oblique rotation about its own middle."""
    turned = rotated(grid)
    middle = [*((n - 1) / 2 for n in grid.shape), 1.0]
    matrix = turned.matrix
    matrix[:3, 3] += (grid.matrix @ middle - turned.matrix @ middle)[:3]
    return Grid.of(grid.shape, matrix, "patient")


@pytest.mark.parametrize("kind", ["highest", "limits"])
def test_oblique_grids_are_resampled_all_the_same(kind: str) -> None:
    source = body((8, 9, 10))
    fed = rotated_in_place(source).resized((7, 6, 8))
    scores, decision = smooth_scores(3, fed.shape), decision_of(3, kind)
    found = labels_on_source(slabs_of(scores), fed, source, decision)
    assert len(np.unique(found)) > 1
    assert np.array_equal(found, slow_labels(scores, fed, source, decision))


def test_a_ball_on_an_oblique_grid_lies_where_it_was_planted() -> None:
    source = body((14, 18, 22))
    fed = rotated_in_place(source).resized((16, 16, 16))
    centre = (source.matrix @ [8, 7, 12, 1])[:3]
    places = fed.matrix @ np.concatenate([np.indices(fed.shape).reshape(3, -1), np.ones((1, 16**3))])
    scores = -np.linalg.norm(places[:3].T - centre, axis=1).reshape(1, *fed.shape)
    found = labels_on_source(slabs_of(scores), fed, source, Decision(classes=1, limits=(-4.0,)))
    inside = np.argwhere(found)
    lying = (source.matrix @ [*inside.mean(axis=0), 1])[:3]
    assert float(np.abs(lying - centre).max()) < 0.6
    assert len(inside) * 2.5 * 1.25 * 0.75 == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.1)


def test_labels_may_lie_on_the_disk(tmp_path: Path) -> None:
    source = body((9, 10, 11))
    fed = source.resized((5, 6, 7))
    scores = smooth_scores(4, fed.shape)
    on_disk = labels_on_source(slabs_of(scores), fed, source, Decision(classes=4), folder=tmp_path)
    assert isinstance(on_disk, np.memmap)
    assert np.array_equal(on_disk, labels_on_source(slabs_of(scores), fed, source, Decision(classes=4)))
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_depth_of_the_volume(tmp_path: Path) -> None:
    def peak(depth: int) -> int:
        source = body((2 * depth, 90, 80))
        fed = source.resized((depth, 45, 40))
        scores = smooth_scores(1, (4, 45, 40))
        slabs = (next(slabs_of(np.concatenate([scores, -scores] * 4))) for _ in range(0, depth, 4))
        numbered = (type(slab)(z=4 * index, scores=slab.scores) for index, slab in enumerate(slabs))
        tracemalloc.start()
        labels_on_source(numbered, fed, source, Decision(classes=8), folder=tmp_path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    shallow, deep = peak(16), peak(128)
    assert deep < 1.2 * shallow


# Decisions -----------------------------------------------------------------------------------------------


@given(classes=st.integers(1, 300), seed=st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_the_highest_score_is_numpy_s_argmax(classes: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 9, size=(classes, 4, 5)).astype(np.float32)
    assert np.array_equal(Decision(classes=classes).decide(scores), scores.argmax(axis=0))


@given(classes=st.integers(1, 64), seed=st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_every_bit_is_a_label_of_its_own(classes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, size=(classes, 3, 4)).astype(np.float32)
    decision = Decision(classes=classes, limits=tuple(generator.integers(0, 5, size=classes).tolist()))
    codes = decision.decide(scores)
    for index, limit in enumerate(decision.limits or ()):
        assert np.array_equal(decision.mask(codes, index), scores[index] >= limit)


def test_the_mask_of_a_class_is_where_it_won() -> None:
    codes = np.array([[[0, 2, 1], [2, 2, 0]]], dtype=np.uint8)
    assert Decision(classes=3).mask(codes, 2).tolist() == [[[False, True, False], [True, True, False]]]


@pytest.mark.parametrize(
    ("classes", "kind", "dtype"),
    [
        (1, "highest", np.uint8),
        (256, "highest", np.uint8),
        (257, "highest", np.uint16),
        (1, "limits", np.uint8),
        (8, "limits", np.uint8),
        (9, "limits", np.uint16),
        (17, "limits", np.uint32),
        (64, "limits", np.uint64),
    ],
)
def test_labels_are_the_smallest_integers_that_hold_them(classes: int, kind: str, dtype: type) -> None:
    assert decision_of(classes, kind).dtype == dtype


@pytest.mark.parametrize(
    ("classes", "limits"), [(0, None), (65537, None), (65, (0.5,) * 65), (2, (0.5,)), (1, (0.5, 0.5))]
)
def test_a_decision_that_labels_cannot_hold_is_refused(classes: int, limits: tuple[float, ...] | None) -> None:
    with pytest.raises(ValueError, match=f"found {classes} classes and"):
        Decision(classes=classes, limits=limits)


# What does not fit together --------------------------------------------------------------------------------


def test_a_slab_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found a slab from slice 0 with .*\(2, 5, 6\), expected .*\(2, 5, 7\)"):
        labels_on_source(slabs_of(np.zeros((2, 4, 5, 6))), body((4, 5, 7)), body((4, 5, 7)), Decision(classes=2))


def test_a_slab_that_is_left_out_is_refused() -> None:
    first, _, third = slabs_of(np.zeros((2, 6, 5, 6)), 2)
    with pytest.raises(ValueError, match=r"found a slab from slice 4 .* from slice 2"):
        labels_on_source([first, third], body((6, 5, 6)), body((6, 5, 6)), Decision(classes=2))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_slabs_that_end_early_are_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=f"the slabs hold {depth} slices, expected 4"):
        labels_on_source(slabs_of(np.zeros((2, depth, 5, 6))), body((4, 5, 6)), body((4, 5, 6)), Decision(classes=2))


@pytest.mark.parametrize("depth", [0, 3])
def test_slabs_that_end_early_are_refused_on_oblique_grids_too(depth: int) -> None:
    fed = rotated(body((4, 5, 6)))
    with pytest.raises(ValueError, match=f"the slabs hold {depth} slices, expected 4"):
        labels_on_source(slabs_of(np.zeros((2, depth, 5, 6))), fed, body((4, 5, 6)), Decision(classes=2))


def test_grids_in_different_spaces_are_refused() -> None:
    picture = Grid.of_picture(5, 6).cropped((0, 0, 0), (4, 5, 6))
    with pytest.raises(ValueError, match="no relation is known"):
        labels_on_source(slabs_of(np.zeros((2, 4, 5, 6))), body((4, 5, 6)), picture, Decision(classes=2))
