"""Golden cases: what is compared, whatever a pack's model does, and that no mistake in space goes unseen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.pack.golden import answers
from edge.pack.tasks import REGISTERED, TRANSLATED
from tests.write.outcomes import classified, picture_scan, score, segmented
from tests.write.planted import detected, detection, registration, translation, volume_scan

PICTURE = picture_scan(np.zeros((20, 30), np.uint8))
VOLUME = volume_scan()


def test_a_classification_is_compared_by_its_scores() -> None:
    assert answers(classified(PICTURE, score("A", 0.5), score("B", 0.25))) == {"a": 0.5, "b": 0.25}


def test_a_segmentation_is_compared_by_its_shares() -> None:
    masks = np.zeros((2, 20, 30), np.bool_)
    masks[1, :10] = True
    assert answers(segmented(PICTURE, masks)) == {"region-1": 0.0, "region-2": 0.5}


def test_a_detection_is_compared_by_the_best_score_of_each_label() -> None:
    boxes = [detection(PICTURE, (1, 1, 9, 9), 0.9), detection(PICTURE, (5, 5, 9, 9), 0.7)]
    assert answers(detected(PICTURE, *boxes, names=("nodule", "mass"))) == {"nodule": 0.9, "mass": 0.0}
    assert answers(detected(PICTURE, names=("nodule", "mass"))) == {"nodule": 0.0, "mass": 0.0}


def test_a_registration_is_compared_by_where_it_moves_and_where_it_folds() -> None:
    found = answers(registration(VOLUME, (10.0, -10.0, 0.0), folded=0.25))
    assert tuple(found) == REGISTERED
    assert found["moved-x"] == pytest.approx(0.75)
    assert found["moved-y"] == pytest.approx(0.25)
    assert found["moved-z"] == pytest.approx(0.5)
    assert found["folded"] == 0.25


def test_displacements_that_cancel_out_are_still_compared() -> None:
    found = registration(VOLUME, (10.0, 0.0, 0.0))
    found.displacement_mm[0, ::2] *= -1
    said = answers(found)
    assert said["moved-x"] == pytest.approx(0.5)
    assert said["moved"] == pytest.approx(0.75)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_displacement_along_another_axis_is_another_answer(axis: int) -> None:
    shift = np.roll([6.0, 0.0, 0.0], axis)
    said = [answers(registration(VOLUME, each)) for each in ([6.0, 0.0, 0.0], shift.tolist(), (-shift).tolist())]
    differences = [max(abs(said[0][name] - other[name]) for name in REGISTERED) for other in said[1:]]
    assert differences[0] > 0.1 or axis == 0
    assert differences[1] > 0.1


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_translation_is_another_answer(axis: int) -> None:
    values = np.indices((4, 6, 8)).astype(np.float64)[axis]
    grid = VOLUME.grid.resized((4, 6, 8))
    made, mirrored = (answers(translation(grid, each)) for each in (values, np.flip(values, axis)))
    assert tuple(made) == TRANSLATED
    assert made["whole"] == pytest.approx(mirrored["whole"])
    assert max(abs(made[name] - mirrored[name]) for name in TRANSLATED) > 0.4


def test_a_translation_in_colours_is_compared_too() -> None:
    colours = np.zeros((1, 20, 30, 3))
    colours[0, :10] = 1.0
    found = answers(translation(PICTURE.grid, colours))
    assert found == {"whole": 0.5, "first-slices": 0.5, "first-rows": 1.0, "first-columns": 0.5}


@pytest.mark.parametrize("largest", [0.0, 1e-3, 1e9])
def test_every_answer_is_a_share(largest: float) -> None:
    found = replace(registration(VOLUME, (largest, -largest, 0.0)), folded_share=1.0)
    made = translation(VOLUME.grid, np.full(VOLUME.grid.shape, largest))
    assert all(0.0 <= value <= 1.0 for value in (*answers(found).values(), *answers(made).values()))
