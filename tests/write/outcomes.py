"""Results as the pipeline makes them, from findings that are planted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.engines import EngineFacts
from edge.findings import (
    Classification,
    Findings,
    InfluenceMap,
    LabelScore,
    Notice,
    Refusal,
    Region,
    Segmentation,
)
from edge.options import Options
from edge.pack.manifest import Manifest
from edge.pack.store import Pack
from edge.reasons import DAMAGED, UNKNOWN_BODY_PART, WRONG_MODALITY, Reason
from edge.results import Asked, examined, not_examined, not_read
from edge.scan import Acquisition, Identity, LeftOut, Scan, Series
from edge.testing import phantom_scan, tiny_manifest
from edge.write import Outcome, boxes, canvas, outlines, panels, synthetic
from edge.write import overlay as overlay_module
from edge.write.canvas import Box
from edge.write.overlay import overlay
from edge.write.panels import TWO

Array = NDArray[Any]
Urgency = Literal["routine", "soon", "urgent"]
ENGINE = EngineFacts(name="fake", version="1.2.3", provider="fake", precision="fp32", threads=1)
WRITING = (overlay_module, panels, outlines, boxes, synthetic)
"""The modules that write on a canvas."""
SERIES = Series(
    format="dicom",
    paths=("a.dcm",),
    identity=Identity(),
    acquisition=Acquisition(),
    pictures=1,
    bytes=1,
)


def pack_of(manifest: Manifest | None = None, sha256: str = "ab" * 32) -> Pack:
    """A pack that nobody reads."""
    return Pack(path="tiny", manifest=manifest or tiny_manifest(), sha256=sha256, _read=_no_file)


def _no_file(name: str, *_: int) -> bytes:
    raise FileNotFoundError(name)


def asked_of(pack: Pack | None = None, **changes: Any) -> Asked:
    """A request for one file."""
    asked = Asked(
        study="0123456789abcdef",
        sources={"a.dcm": "c" * 64, "phantom": "0" * 64},
        pack=pack or pack_of(),
    )
    options = {
        key: changes.pop(key) for key in ("engine", "precision", "confirmed", "roles", "wanted") if key in changes
    }
    return replace(asked, options=Options(**options), **changes)


def score(
    name: str, value: float, *, threshold: float | None = 0.5, positive: bool | None = None, urgency: Urgency = "soon"
) -> LabelScore:
    """What a model said of one label; without a threshold it is no finding."""
    there = (threshold is not None and value >= threshold) if positive is None else positive
    return LabelScore(
        name=name.lower().replace(" ", "-")[:40],
        title=name,
        code=None,
        score=value,
        threshold=threshold,
        positive=there,
        finding=threshold is not None,
        urgency=urgency if there and threshold is not None else None,
    )


def classified(scan: Scan, *labels: LabelScore, mapped: Sequence[str] | None = None) -> Classification:
    """A classification with a map, hot at the top left, for the named labels (all)."""
    rows, columns = (min(7, size) for size in scan.grid.shape[1:])
    values = np.zeros((1, rows, columns), np.float32)
    values[0, 0, 0] = 1.0
    grid = scan.grid.cropped((0, 0, 0), (1, *scan.grid.shape[1:]))
    names = [item.name for item in labels] if mapped is None else mapped
    maps = tuple(InfluenceMap(label=name, values=values, grid=grid.resized((1, rows, columns))) for name in names)
    return Classification(labels=labels, maps=maps, grid=grid)


def segmented(scan: Scan, masks: Array, *, urgency: Urgency = "urgent") -> Segmentation:
    """A segmentation with these masks, (label, y, x)."""
    area = scan.grid.pixel_area_mm2
    regions = []
    for index, mask in enumerate(masks):
        pixels = int(mask.sum())
        region = Region(
            name=f"region-{index + 1}",
            title=f"Region {index + 1}",
            code=None,
            threshold=0.5,
            positive=pixels > 0,
            finding=True,
            urgency=urgency if pixels else None,
            pixels=pixels,
            share=pixels / mask.size,
            area_mm2=None if area is None else pixels * area,
            box=None,
        )
        regions.append(region)
    bits = sum((mask.astype(np.uint32) << index) for index, mask in enumerate(masks))
    codes = np.asarray(bits, dtype=np.uint32)[np.newaxis]
    return Segmentation(regions=tuple(regions), codes=codes, exclusive=False, grid=scan.grid)


def outcome(
    scan: Scan, findings: Findings | Refusal, *, warnings: Sequence[Notice] = (), pack: Pack | None = None
) -> Outcome:
    """The outcome of a scan that was looked at."""
    return examined(findings, warnings, {"image": scan}, ENGINE, asked_of(pack), {})


def refusal(*reasons: Reason, detail: str = "Found 'MR', expected CR or DX.") -> Refusal:
    """A refusal for these reasons."""
    said = reasons or (WRONG_MODALITY, UNKNOWN_BODY_PART)
    return Refusal(notices=tuple(Notice(reason=reason, severity="refuse", detail=detail) for reason in said))


def not_decoded() -> Outcome:
    """The outcome of a series that no pack is made for."""
    return not_examined(SERIES, refusal().notices, asked_of())


def failed(detail: str = "Reading a.dcm: found 12 bytes, expected 2048.") -> Outcome:
    """The outcome of a file that could not be read."""
    return not_read(LeftOut(paths=("a.dcm",), reason=DAMAGED, detail=detail), asked_of())


def drawn(of: Outcome) -> bytes:
    """The overlay as a PNG."""
    (data,) = overlay(of.result, of.scan, of.findings).values()
    return data


def pixels(of: Outcome) -> Array:
    """The overlay, decoded: (768, 1024, 3) in OpenCV's order of colours."""
    decoded = cv2.imdecode(np.frombuffer(drawn(of), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded)


def picture_scan(voxels: Array, **changes: Any) -> Scan:
    """A scan of this picture, (y, x) or (y, x, 3)."""
    shape = (1, voxels.shape[0], voxels.shape[1])
    spacing = changes.pop("spacing_mm", None)
    photometric = changes.pop("photometric", "MONOCHROME2" if voxels.ndim == 2 else "RGB")
    scan = phantom_scan((1, 1, 1), spacing_mm=spacing)
    grid = phantom_scan(shape, values=np.zeros(shape).ravel().tolist(), spacing_mm=spacing).grid
    whole = (0.0, 255.0) if voxels.dtype == np.uint8 else None
    acquisition = replace(scan.acquisition, photometric=photometric)
    placed = replace(scan, voxels=voxels[np.newaxis], grid=grid, value_range=whole, acquisition=acquisition)
    return replace(placed, **changes)


def words_of(monkeypatch: pytest.MonkeyPatch, of: Outcome) -> list[str]:
    """Every text that the overlay writes."""
    said: list[str] = []
    write = canvas.write

    def listen(pixels: Any, text: str, box: Box, **how: Any) -> None:
        said.append(text)
        write(pixels, text, box, **how)

    for module in WRITING:
        monkeypatch.setattr(module, "write", listen)
    drawn(of)
    return said


def panel(picture: Array, index: int = 0) -> Array:
    """One of the two panels."""
    box = TWO.panels[index]
    return np.asarray(picture[box.top : box.top + box.height, box.left : box.left + box.width])
