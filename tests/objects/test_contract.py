"""What travels to the process that makes objects arrives as it was sent."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from edge.detect.instances import InstanceMask
from edge.detect.place import place_box
from edge.findings import (
    Classification,
    Detection,
    Detections,
    Findings,
    LookedFor,
    Segmentation,
    Translation,
)
from edge.objects.contract import (
    BoxTold,
    ClassificationTold,
    DetectionsTold,
    Make,
    SegmentationTold,
    findings_of,
    parts_as_arrays,
    parts_of,
    scan_told,
    told,
)
from edge.scan import Scan
from edge.testing import phantom_scan
from edge.typed import dump, parse
from tests.objects.cases import outlined, result_of
from tests.write.outcomes import classified, score

SCAN = phantom_scan((1, 6, 7))


def sent(scan: Scan, findings: Findings) -> Make:
    """A request after its way through a pipe, without the arrays."""
    found, arrays = told(findings)
    request = Make(
        view="sr",
        result=result_of(scan, findings),
        scan=scan_told(scan),
        found=found,
        language="sw",
        arrays=len(arrays),
    )
    arrived = parse(Make, json.loads(json.dumps(dump(request))))
    assert arrived == request
    return arrived


def box(name: str, *, mask: bool) -> Detection:
    """A box with or without a mask."""
    place = place_box((1, 1, 4, 5), SCAN.grid, SCAN.grid)
    assert place is not None
    pixels = np.eye(3, dtype=np.bool_)
    return Detection(
        name=name,
        title=name.title(),
        code=None,
        score=0.75,
        threshold=0.5,
        positive=True,
        finding=True,
        urgency="soon",
        place=place,
        mask=InstanceMask(start=(1, 2), pixels=pixels, grid=SCAN.grid) if mask else None,
    )


def test_a_classification_arrives_without_its_maps() -> None:
    findings = classified(SCAN, score("Spot", 0.9), score("Shade", 0.1))
    arrived = findings_of(sent(SCAN, findings).found, {})
    assert isinstance(arrived, Classification)
    assert (arrived.labels, arrived.grade, arrived.grid, arrived.maps) == (
        findings.labels,
        findings.grade,
        findings.grid,
        (),
    )


def test_a_segmentation_arrives_with_its_codes() -> None:
    codes = np.arange(42, dtype=np.uint8).reshape(SCAN.grid.shape) % 4
    findings = outlined(codes, SCAN.grid)
    arrived = findings_of(sent(SCAN, findings).found, told(findings)[1])
    assert isinstance(arrived, Segmentation)
    assert (arrived.regions, arrived.exclusive, arrived.grid) == (findings.regions, True, findings.grid)
    assert np.array_equal(arrived.codes, codes)


def test_boxes_arrive_each_with_its_own_mask() -> None:
    boxes = (box("one", mask=False), box("two", mask=True))
    labels = (LookedFor(name="one", title="One", finding=True),)
    findings = Detections(boxes=boxes, labels=labels, grid=SCAN.grid, outside=2, more=True)
    arrived = findings_of(sent(SCAN, findings).found, told(findings)[1])
    assert isinstance(arrived, Detections)
    assert (arrived.labels, arrived.grid, arrived.outside, arrived.more) == (labels, SCAN.grid, 2, True)
    first, second = arrived.boxes
    assert first.mask is None
    assert second.mask is not None
    assert boxes[1].mask is not None
    assert np.array_equal(second.mask.whole(), boxes[1].mask.whole())
    plain = [field.name for field in fields(Detection) if field.name != "mask"]
    assert [[getattr(one, name) for name in plain] for one in arrived.boxes] == [
        [getattr(one, name) for name in plain] for one in boxes
    ]


@pytest.mark.parametrize(
    ("kind", "travelling", "apart"),
    [
        (Detection, BoxTold, {"mask", "start", "grid"}),
        (Classification, ClassificationTold, {"kind", "maps"}),
        (Segmentation, SegmentationTold, {"kind", "codes"}),
        (Detections, DetectionsTold, {"kind"}),
    ],
)
def test_nothing_that_is_said_is_forgotten_on_the_way(kind: type, travelling: type, apart: set[str]) -> None:
    assert {field.name for field in fields(travelling)} - apart == {field.name for field in fields(kind)} - apart


def test_a_synthetic_image_is_no_object_s_matter() -> None:
    values = np.zeros(SCAN.grid.shape, np.float32)
    findings = Translation(values=values, range=(0.0, 1.0), unit="HU", makes="CT", grid=SCAN.grid)
    assert told(findings) == (None, {})
    assert findings_of(None, {}) is None


def test_codes_that_did_not_come_are_missed() -> None:
    found, _ = told(outlined(np.ones(SCAN.grid.shape, np.uint8), SCAN.grid))
    with pytest.raises(KeyError):
        findings_of(found, {})


def test_files_travel_beside_arrays() -> None:
    arrays = parts_as_arrays({"overlay.png": b"\x89PNG", "empty": b""}) | {"codes": np.zeros(3, np.uint8)}
    assert parts_of(arrays) == {"overlay.png": b"\x89PNG", "empty": b""}
