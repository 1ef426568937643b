"""Every label's mask on the source's own pixels or voxels: pictures, or NIfTI volumes."""

from __future__ import annotations

import json

import numpy as np

from edge.findings import Detections, Findings, Segmentation
from edge.scan import Scan
from edge.write.canvas import encode_png
from edge.write.nifti import nifti
from edge.write.report import ResultReport

LABELS = "labels.nii.gz"
NAMES = "labels.json"


def masks(result: ResultReport, scan: Scan | None, findings: Findings | None) -> dict[str, bytes]:  # noqa: ARG001
    """Return the masks of a segmentation, or of the boxes of a detection where the model drew outlines.

    - Of a picture, ``mask-<label>.png`` for each label: 255 where it is, 0 elsewhere; rows and columns as in the
      source.
    - Of a volume whose labels exclude each other, ``labels.nii.gz`` with the values that ``labels.json`` names.
    - Of a volume whose labels may overlap, ``mask-<label>.nii.gz`` for each label: 1 where it is.
    - Of a detection, ``instances.png``: 16 bits, the number of the box in the report, from 1; of two that overlap the
      surer one; 0 elsewhere.
    """
    if isinstance(findings, Detections):
        return _instances(findings)
    if not isinstance(findings, Segmentation):
        return {}
    if findings.grid.shape[0] == 1:
        return {
            f"mask-{region.name}.png": encode_png(findings.mask(index)[0].astype(np.uint8) * 255)
            for index, region in enumerate(findings.regions)
        }
    return _labels(findings) if findings.exclusive else _volumes(findings)


def _labels(findings: Segmentation) -> dict[str, bytes]:
    kind = np.dtype(np.uint8 if len(findings.regions) < 256 else np.uint16)
    codes = findings.codes.astype(kind, copy=False)
    described = f"Labels: see {NAMES}"
    return {LABELS: nifti(codes, findings.grid, described), NAMES: _names(findings)}


def _names(findings: Segmentation) -> bytes:
    """What each value means; a NIfTI header has no room for it."""
    named = [
        {
            "value": index + 1,
            "name": region.name,
            "title": region.title,
            "code": None
            if region.code is None
            else {"scheme": region.code.scheme, "value": region.code.value, "meaning": region.code.meaning},
        }
        for index, region in enumerate(findings.regions)
    ]
    return json.dumps({"file": LABELS, "background": 0, "labels": named}, indent=1, ensure_ascii=False).encode() + b"\n"


def _volumes(findings: Segmentation) -> dict[str, bytes]:
    return {
        f"mask-{region.name}.nii.gz": nifti(findings.mask(index).astype(np.uint8), findings.grid, region.title)
        for index, region in enumerate(findings.regions)
    }


def _instances(findings: Detections) -> dict[str, bytes]:
    masked = [(number, box.mask) for number, box in enumerate(findings.boxes, start=1) if box.mask is not None]
    if not masked:
        return {}
    picture = np.zeros(masked[0][1].grid.shape[1:], dtype=np.uint16)
    for number, mask in reversed(masked):
        (row, column), (height, width) = mask.start, mask.pixels.shape
        picture[row : row + height, column : column + width][mask.pixels] = number
    return {"instances.png": encode_png(picture)}
