"""Sources on the disk, findings planted on them, and the objects that are made of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from edge.findings import Findings, Region, Segmentation
from edge.geometry import Grid
from edge.objects import OBJECTS
from edge.objects.build import Builder
from edge.objects.contract import Make, parts_as_arrays, scan_told, told
from edge.objects.subject import Subject
from edge.pack.manifest import Code
from edge.results import examined
from edge.scan import Scan
from edge.write.report import ResultReport
from tests.read.dicom_files import load, save_all
from tests.write.outcomes import ENGINE, asked_of

Array = NDArray[Any]
LIVER = Code(scheme="SCT", value="10200004", meaning="Liver")


def scan_of(datasets: Sequence[Dataset], folder: Path) -> Scan:
    """The scan that edgerun reads from these, written to a folder."""
    return load(*save_all(datasets, folder))


def region(name: str, pixels: int, *, code: Code | None = None, finding: bool = True) -> Region:
    """A region of so many pixels."""
    return Region(
        name=name.lower().replace(" ", "-"),
        title=name,
        code=code,
        threshold=0.5,
        positive=pixels > 0,
        finding=finding,
        urgency="soon" if finding and pixels else None,
        pixels=pixels,
        share=0.0,
        area_mm2=None,
        box=None,
    )


def outlined(codes: Array, grid: Grid, names: Sequence[str] = ("Lesion", "Liver", "Spleen")) -> Segmentation:
    """A segmentation whose labels exclude each other."""
    regions = tuple(
        region(name, int((codes == number).sum()), finding=number == 1, code=LIVER if name == "Liver" else None)
        for number, name in enumerate(names, start=1)
    )
    return Segmentation(regions=regions, codes=codes, exclusive=True, grid=grid)


def overlapping(masks: Sequence[Array], grid: Grid) -> Segmentation:
    """A segmentation of masks, (z, y, x) each, that may overlap."""
    codes = np.zeros(grid.shape, np.uint32)
    for index, mask in enumerate(masks):
        codes |= mask.astype(np.uint32) << index
    regions = tuple(region(f"Region {index}", int(mask.sum())) for index, mask in enumerate(masks, start=1))
    return Segmentation(regions=regions, codes=codes, exclusive=False, grid=grid)


def result_of(scan: Scan, findings: Findings) -> ResultReport:
    """What the report says of it."""
    return examined(findings, (), {"image": scan}, ENGINE, asked_of(), {}).result


def request_of(
    view: str, scan: Scan, findings: Findings, parts: Mapping[str, bytes] | None = None
) -> tuple[Make, dict[str, Array]]:
    """What travels to the process that makes objects."""
    found, arrays = told(findings)
    arrays |= parts_as_arrays(parts or {})
    request = Make(
        view=view,
        result=result_of(scan, findings),
        scan=scan_told(scan),
        found=found,
        language="en",
        arrays=len(arrays),
    )
    return request, arrays


def files_of(view: str, scan: Scan, findings: Findings, parts: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The files of a view, made in this process."""
    return Builder(OBJECTS).files(*request_of(view, scan, findings, parts))


def saved(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def one(files: Mapping[str, bytes], folder: Path) -> Dataset:
    """The one object of a view, read by pydicom."""
    (path,) = saved(files, folder)
    return dcmread(path)


def blob(shape: tuple[int, int, int], labels: int = 3, seed: int = 5) -> Array:
    """Label values that no turn or flip maps onto themselves, with empty slices at both ends and between."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, labels + 1, shape).astype(np.uint8)
    if shape[0] > 3:
        codes[[0, shape[0] // 2, -1]] = 0
    return codes


def complete(datasets: Sequence[Dataset], **elements: Any) -> list[Dataset]:
    """Sources that hold all that a validator asks for in their patient and study."""
    said = {
        "PatientName": "Phantom^One",
        "PatientID": "phantom",
        "PatientBirthDate": "19800102",
        "PatientSex": "F",
        "StudyDate": "20260304",
        "StudyTime": "050607",
        "StudyID": "S1",
        "AccessionNumber": "A1",
        "ReferringPhysicianName": "",
        "SeriesNumber": 3,
        "ContentDate": "20260304",
        "ContentTime": "060708",
    } | elements
    for dataset in datasets:
        for keyword, value in said.items():
            setattr(dataset, keyword, value)
    return list(datasets)


def changed(scan: Scan, **changes: Any) -> Scan:
    """The scan with fields changed."""
    return replace(scan, **changes)


def subject_of(view: str, scan: Scan, findings: Findings, parts: Mapping[str, bytes] | None = None) -> Subject:
    """What a builder is given."""
    return Builder(OBJECTS).subject(*request_of(view, scan, findings, parts))
