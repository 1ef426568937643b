"""Masks as pictures: rows and columns are the source's own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.write import Outcome
from edge.write.masks import masks
from tests.write.outcomes import classified, failed, outcome, picture_scan, refusal, score, segmented


def written(of: Outcome) -> dict[str, bytes]:
    return masks(of.result, of.scan, of.findings)


@pytest.mark.parametrize("shape", [(20, 30), (1, 9), (9, 1), (1, 1)])
def test_a_mask_is_a_picture_of_the_size_of_the_source(shape: tuple[int, int]) -> None:
    scan = picture_scan(np.zeros(shape, np.uint8))
    true = np.zeros((2, *shape), np.bool_)
    true[0, -1, -1], true[1] = True, True
    files = written(outcome(scan, segmented(scan, true)))
    assert list(files) == ["mask-region-1.png", "mask-region-2.png"]
    for mask, data in zip(true, files.values(), strict=True):
        decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
        assert np.array_equal(decoded, mask * np.uint8(255))
        assert decoded.shape == shape


def test_what_is_no_segmentation_has_no_masks() -> None:
    scan = picture_scan(np.zeros((4, 4), np.uint8))
    assert written(outcome(scan, classified(scan, score("A", 0.5)))) == {}
    assert written(outcome(scan, refusal())) == {}
    assert written(failed()) == {}
