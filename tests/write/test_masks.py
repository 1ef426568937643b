"""Masks: rows, columns and slices are the source's own."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detect.instances import InstanceMask, paste_patch
from edge.pack.manifest import Code
from edge.scan import Scan
from edge.write import Outcome
from edge.write.masks import masks
from tests.write.outcomes import classified, failed, outcome, picture_scan, refusal, score, segmented
from tests.write.planted import ball, detected, detection, oblique_grid, segmented_volume, volume_scan


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


# Volumes -------------------------------------------------------------------------------------------------

SCAN = volume_scan(grid=oblique_grid())
LARGE, SMALL = ball((12, 20, 24), 20), ball((12, 20, 24), 8)


def values_of(data: bytes) -> NDArray[Any]:
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(data))
    affine = np.diag([-1, -1, 1, 1]) @ SCAN.grid.matrix[:, [2, 1, 0, 3]]
    assert np.allclose(image.affine, affine, atol=1e-4)
    return np.asarray(np.asarray(image.dataobj).transpose(2, 1, 0))


def test_labels_that_exclude_each_other_are_one_volume_and_their_names() -> None:
    found = segmented_volume(SCAN, [LARGE, SMALL])
    files = written(outcome(SCAN, found))
    assert list(files) == ["labels.nii.gz", "labels.json"]
    values = values_of(files["labels.nii.gz"])
    assert values.dtype == np.uint8
    assert np.array_equal(values == 2, SMALL)
    assert np.array_equal(values == 1, LARGE & ~SMALL)
    named = json.loads(files["labels.json"])
    assert named["file"] == "labels.nii.gz"
    assert [(label["value"], label["name"]) for label in named["labels"]] == [(1, "region-1"), (2, "region-2")]


def test_a_coded_label_keeps_its_code_beside_the_volume() -> None:
    found = segmented_volume(SCAN, [LARGE])
    code = Code(scheme="SCT", value="10200004", meaning="Liver")
    found = replace(found, regions=(replace(found.regions[0], code=code),))
    (label,) = json.loads(written(outcome(SCAN, found))["labels.json"])["labels"]
    assert label["code"] == {"scheme": "SCT", "value": "10200004", "meaning": "Liver"}


def test_labels_that_overlap_have_a_volume_each() -> None:
    files = written(outcome(SCAN, segmented_volume(SCAN, [LARGE, SMALL], exclusive=False)))
    assert list(files) == ["mask-region-1.nii.gz", "mask-region-2.nii.gz"]
    for mask, data in zip((LARGE, SMALL), files.values(), strict=True):
        assert np.array_equal(values_of(data), mask)


def test_many_labels_fit_into_the_volume() -> None:
    found = segmented_volume(SCAN, [LARGE])
    many = replace(found, regions=found.regions * 254, codes=found.codes.astype(np.uint16) * 254)
    values = values_of(written(outcome(SCAN, many))["labels.nii.gz"])
    assert np.array_equal(values == 254, LARGE)


# Instances -----------------------------------------------------------------------------------------------


def test_an_instance_has_the_number_of_its_box_and_the_surer_one_lies_on_top() -> None:
    scan = picture_scan(np.zeros((60, 80), np.uint8))
    boxes = [
        detection(scan, edges, value, mask=mask_of(scan, edges))
        for edges, value in (((10, 10, 30, 30), 0.9), ((20, 20, 50, 60), 0.8))
    ]
    plain = detection(scan, (1, 1, 5, 5), 0.7)
    files = written(outcome(scan, detected(scan, *boxes, plain)))
    assert list(files) == ["instances.png"]
    decoded = np.asarray(cv2.imdecode(np.frombuffer(files["instances.png"], np.uint8), cv2.IMREAD_UNCHANGED))
    assert decoded.dtype == np.uint16
    expected = np.zeros((60, 80), np.uint16)
    expected[20:50, 20:60] = 2
    expected[10:30, 10:30] = 1
    assert np.array_equal(decoded, expected)


def mask_of(scan: Scan, edges: tuple[int, int, int, int]) -> InstanceMask:
    return paste_patch(np.ones((28, 28), np.float32), edges, scan.grid, scan.grid)


def test_boxes_without_outlines_have_no_masks() -> None:
    scan = picture_scan(np.zeros((60, 80), np.uint8))
    assert written(outcome(scan, detected(scan, detection(scan, (1, 1, 5, 5), 0.7)))) == {}
    assert written(outcome(scan, detected(scan))) == {}
