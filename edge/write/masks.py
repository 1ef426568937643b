"""Every label's mask on the source's own pixels or voxels: pictures, or NIfTI volumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.findings import Detections, Findings, Segmentation
from edge.scan import Scan
from edge.wanted import PLAIN, Wanted
from edge.write.canvas import encode_png
from edge.write.nifti import nifti
from edge.write.report import ResultReport
from edge.write.tiff import tiled_tiff

LABELS = "labels.nii.gz"
TILED = "labels.tif"
NAMES = "labels.json"


def masks(
    result: ResultReport,
    scan: Scan | None,  # noqa: ARG001
    findings: Findings | None,
    wanted: Wanted = PLAIN,  # noqa: ARG001
) -> dict[str, bytes]:
    """Return the masks of a segmentation, or of the boxes of a detection where the model drew outlines.

    - Of a picture, ``mask-<label>.png`` for each label: 255 where it is, 0 elsewhere; rows and columns as in the
      source.
    - Of a picture that was seen in windows, ``labels.tif`` with the values that ``labels.json`` names, or
      ``mask-<label>.tif`` for each label where they may overlap: in tiles, on the pixels that the model was fed.
    - Of a volume whose labels exclude each other, ``labels.nii.gz`` with the values that ``labels.json`` names.
    - Of a volume whose labels may overlap, ``mask-<label>.nii.gz`` for each label: 1 where it is.
    - Of a detection, ``instances.png``: 16 bits, the number of the box in the report, from 1; of two that overlap the
      surer one; 0 elsewhere.
    """
    if isinstance(findings, Detections):
        return _instances(findings)
    if not isinstance(findings, Segmentation):
        return {}
    told = result.scan.lengths_told
    if findings.in_windows:
        return _tiled(findings, lengths_told=told)
    if findings.grid.shape[0] == 1:
        return {
            f"mask-{region.name}.png": encode_png(findings.mask(index)[0].astype(np.uint8) * 255)
            for index, region in enumerate(findings.regions)
        }
    return _labels(findings, lengths_told=told) if findings.exclusive else _volumes(findings, lengths_told=told)


def _tiled(findings: Segmentation, *, lengths_told: bool) -> dict[str, bytes]:
    """Read tile by tile, as the labels of a slide lie on the disk."""
    spacing = findings.grid.pixel_spacing_mm if lengths_told else None
    if findings.exclusive:
        return {TILED: tiled_tiff(findings.codes[0], spacing), NAMES: _names(findings, TILED)}

    def mask(index: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        return lambda codes: np.asarray(((codes >> codes.dtype.type(index)) & 1) * 255, dtype=np.uint8)

    return {
        f"mask-{region.name}.tif": tiled_tiff(findings.codes[0], spacing, mask(index))
        for index, region in enumerate(findings.regions)
    }


def _labels(findings: Segmentation, *, lengths_told: bool) -> dict[str, bytes]:
    kind = np.dtype(np.uint8 if len(findings.regions) < 256 else np.uint16)
    codes = findings.codes.astype(kind, copy=False)
    described = f"Labels: see {NAMES}"
    volume = nifti(codes, findings.grid, described, lengths_told=lengths_told)
    return {LABELS: volume, NAMES: _names(findings, LABELS)}


def _names(findings: Segmentation, file: str) -> bytes:
    """What each value means; neither NIfTI nor TIFF has room for it."""
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
    return json.dumps({"file": file, "background": 0, "labels": named}, indent=1, ensure_ascii=False).encode() + b"\n"


def _volumes(findings: Segmentation, *, lengths_told: bool) -> dict[str, bytes]:
    return {
        f"mask-{region.name}.nii.gz": nifti(
            findings.mask(index).astype(np.uint8), findings.grid, region.title, lengths_told=lengths_told
        )
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
