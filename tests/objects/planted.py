"""Findings planted on DICOM files, and the objects that are made of them in this process."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from edge.detect.instances import InstanceMask
from edge.detect.place import Edges, place_box
from edge.findings import Detection, Detections, Findings, LabelScore, LookedFor, Refusal, Region, Segmentation
from edge.geometry import Grid
from edge.objects.build import Builder
from edge.objects.contract import Make, parts_as_arrays, scan_told, told
from edge.pack.manifest import Code
from edge.scan import Scan
from edge.table import Entry
from edge.volume.measure import measure
from edge.wanted import Language
from edge.write import Outcome
from tests.write.outcomes import outcome

NODULE = Code(scheme="SCT", value="427359005", meaning="Solitary nodule of lung")
LIVER = Code(scheme="SCT", value="10200004", meaning="Liver")
TABLE = {
    "sr": Entry("edge.objects.sr:build"),
    "seg": Entry("edge.objects.seg:build"),
    "gsps": Entry("edge.objects.gsps:build"),
    "pdf": Entry("edge.objects.pdf:build"),
}


def headers_of(scan: Scan) -> tuple[Dataset, ...]:
    """The headers of a scan's files."""
    return tuple(pydicom.dcmread(source.path, stop_before_pixels=True) for source in scan.sources)


def box(scan: Scan, edges: Edges, value: float = 0.9, *, name: str = "nodule", code: Code | None = NODULE) -> Detection:
    """A box on the source, said to be there."""
    return boxed(edges, scan.grid, scan.grid, value, name=name, code=code)


def boxed(
    edges: Sequence[float],
    fed: Grid,
    source: Grid,
    value: float = 0.9,
    *,
    name: str = "nodule",
    code: Code | None = None,
) -> Detection:
    """A box on what a model was fed."""
    place = place_box(edges, fed, source)
    if place is None:
        raise ValueError("the box lies outside the source")
    return Detection(
        name=name,
        title=name.title(),
        code=code,
        score=value,
        threshold=0.5,
        positive=True,
        finding=True,
        urgency="urgent",
        place=place,
    )


def detected(scan: Scan, *boxes: Detection, names: Sequence[str] = ("nodule", "effusion")) -> Detections:
    """Boxes of a detector that knows these labels."""
    labels = tuple(LookedFor(name=name, title=name.title(), finding=True) for name in names)
    return Detections(boxes=boxes, labels=labels, grid=scan.grid)


def masked(one: Detection, mask: NDArray[Any], grid: Grid) -> Detection:
    """A box with the outline of a mask of the whole slice."""
    return replace(one, mask=InstanceMask(start=(0, 0), pixels=mask, grid=grid))


def segmented(scan: Scan, *masks: NDArray[Any], exclusive: bool = False, finding: bool = True) -> Segmentation:
    """A segmentation with these masks, (z, y, x), as the task measures them."""
    regions = tuple(_region(scan, mask, number, finding=finding) for number, mask in enumerate(masks, start=1))
    if exclusive:
        codes = np.max([mask * np.uint8(number) for number, mask in enumerate(masks, start=1)], axis=0)
    else:
        codes = np.sum([mask.astype(np.uint8) << index for index, mask in enumerate(masks)], axis=0).astype(np.uint8)
    return Segmentation(regions=regions, codes=codes, exclusive=exclusive, grid=scan.grid)


def _region(scan: Scan, mask: NDArray[Any], number: int, *, finding: bool) -> Region:
    measured = measure(np.asarray(mask, dtype=np.bool_), scan.grid)
    found, volume = measured.box, scan.grid.shape[0] > 1
    area = scan.grid.pixel_area_mm2
    return Region(
        name=f"region-{number}",
        title=f"Region {number}",
        code=LIVER if number == 1 else None,
        threshold=0.5,
        positive=measured.voxels > 0,
        finding=finding,
        urgency="soon" if measured.voxels and finding else None,
        pixels=measured.voxels,
        share=measured.voxels / mask.size,
        area_mm2=None if area is None or volume else measured.voxels * area,
        box=None if found is None else (found[1], found[2], found[4], found[5]),
        slices=None if found is None or not volume else (found[0], found[3]),
        volume_ml=measured.volume_ml,
        diameter_mm=measured.diameter_mm if volume else None,
        diameter_slice=measured.diameter_slice if volume else None,
    )


def coded(score: LabelScore, code: Code = NODULE) -> LabelScore:
    """A score whose label the pack has a code for."""
    return replace(score, code=code)


def made(
    view: str,
    scan: Scan,
    findings: Findings | Refusal,
    *,
    parts: Mapping[str, bytes] | None = None,
    told_of: Outcome | None = None,
    language: Language = "en",
) -> dict[str, bytes]:
    """The files of a view, as the child process makes them."""
    said = told_of or outcome(scan, findings)
    found, arrays = told(said.findings)
    arrays = {**arrays, **parts_as_arrays(parts or {})}
    request = Make(
        view=view, result=said.result, scan=scan_told(scan), found=found, language=language, arrays=len(arrays)
    )
    return Builder(TABLE).files(request, arrays)


def read(data: bytes) -> Dataset:
    """What another program would read."""
    return pydicom.dcmread(io.BytesIO(data))


def ran(*command: object) -> str:
    """All that another's program says; skips where it is not installed, fails where it fails."""
    name = str(command[0])
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode:
        raise AssertionError(f"{name} ended with {done.returncode}: {said}")
    return said


def errors_of(path: Path) -> list[str]:
    """What dciodvfy calls an error, by every build of it that is installed: Debian's and that of PyPI differ."""
    found = {shutil.which("dciodvfy"), shutil.which("dciodvfy", path=str(Path(sys.executable).parent))} - {None}
    if not found:
        pytest.skip("dciodvfy is not installed")
    said = ""
    for program in sorted(map(str, found)):
        done = subprocess.run([program, str(path)], capture_output=True, check=False)
        said += (done.stdout + done.stderr).decode("utf-8", "replace")
    return [line for line in said.splitlines() if re.match("Error", line)]
