"""Examined cases -> how the outlines of each meet the true masks, on the voxels of the scan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import CodedError, ReadError
from edge.geometry import Grid
from edge.read import ScanReader
from edge.reasons import LABELS_ELSEWHERE, NOT_COMPARED, NOT_LABELS, TRUTH_UNREADABLE
from edge.scan import Scan, Series
from edge.site.case import TrueMask
from edge.site.examine import Examined, unjudged
from edge.site.meeting import Outlined, SizeUnit
from edge.truth.masks import holds_labels, laid_on
from edge.truth.overlap import overlap
from edge.write.report import ResultReport, SegmentationReport

Mask = NDArray[np.bool_]
OURS = re.compile(r"(?:\d+-)?(labels\.nii\.gz|mask-(.+?)(?:\.nii\.gz|\.png))")
"""Of the files beside a report, those that hold masks: of all labels, or of one. A number stands before its name where
a study has several results."""


def with_outlines(examined: Sequence[Examined]) -> tuple[Examined, ...]:
    """Return the cases with what was outlined in each; one whose true mask cannot be used has no answer any more.

    A mask is never resampled: it lies on the voxels of its scan, in whatever order of axes, or it is refused with
    ``C760``; ``C761``: it holds no labels; ``C765``: it cannot be read; ``C766``: the picture
    was seen in windows, or is one of several in its scan.
    """
    masks = {mask.path for each in examined if each.answered for mask in each.case.masks.values() if mask is not None}
    own = {path for each in examined for path in _own_files(each).values()}
    with _reading(sorted(masks | own)) as files:
        return tuple(_compared(each, files) if each.answered else each for each in examined)


class _Files:
    """Single pictures and volumes, each read when it is asked for."""

    def __init__(self, reader: ScanReader, series: Mapping[str, Series]) -> None:
        self._reader = reader
        self._series = series

    def read(self, path: Path) -> Scan:
        """Return a file's scan; `ReadError` where it cannot be read."""
        if str(path) not in self._series:
            raise ReadError(f"Reading {path}: found no single picture or volume.", TRUTH_UNREADABLE)
        return self._reader.load(self._series[str(path)]).result()


@contextmanager
def _reading(paths: Sequence[Path]) -> Iterator[_Files]:
    with ScanReader(prefetch=("nifti",)) as reader:
        studies = reader.index([str(path) for path in paths]).result().studies if paths else ()
        each = [series for study in studies for series in study.series]
        yield _Files(reader, {series.paths[0]: series for series in each if len(series.paths) == 1})


def _own_files(each: Examined) -> dict[str, Path]:
    """The masks beside the report: by label, or of all labels by an empty name."""
    if each.result is None or each.folder is None:
        return {}
    found = {file.name: OURS.fullmatch(file.name) for file in each.result.files if file.role == "masks"}
    return {match[2] or "": (each.folder / name).absolute() for name, match in found.items() if match}


def _compared(each: Examined, files: _Files) -> Examined:
    try:
        return replace(each, outlined=_outlined(each, files))
    except CodedError as error:
        return unjudged(each, error.reason)


def _outlined(each: Examined, files: _Files) -> dict[str, Outlined]:
    result = each.result
    if result is None or result.scan.grid is None or not isinstance(result.findings, SegmentationReport):
        raise ReadError("Comparing masks: found no outlines.", NOT_COMPARED)
    if result.seen is not None or result.findings.grid is not None:
        raise ReadError("Comparing masks: found outlines on other pixels than those of the scan.", NOT_COMPARED)
    own, grid = _own_files(each), result.scan.grid
    found = {}
    for index, region in enumerate(result.findings.regions):
        if region.name in each.case.masks:
            mask = _said(own, region.name, index, files)
            truth = _true(each.case.masks[region.name], grid, files)
            found[region.name] = _meeting(mask, truth, result, said=region.positive)
    return found


def _said(own: Mapping[str, Path], label: str, index: int, files: _Files) -> Mask:
    """What was outlined, read from the files beside the report."""
    place = own.get(label) or own.get("")
    if place is None:
        raise ReadError("Comparing masks: the results hold none.", NOT_COMPARED)
    values = files.read(place).voxels
    return np.asarray(values != 0 if label in own else values == index + 1)


def _true(mask: TrueMask | None, grid: Grid, files: _Files) -> Mask:
    if mask is None:
        return np.zeros(grid.shape, dtype=np.bool_)
    try:
        scan = files.read(mask.path)
    except ReadError as error:
        raise ReadError(error.message, TRUTH_UNREADABLE) from error
    values = laid_on(scan, grid)
    if values is None:
        raise ReadError("Comparing masks: the true one does not lie on the voxels of its scan.", LABELS_ELSEWHERE)
    if not holds_labels(scan, mask.value):
        raise ReadError("Comparing masks: the true one holds no labels.", NOT_LABELS)
    return np.asarray(values != 0 if mask.value is None else values == mask.value)


def _meeting(said_mask: Mask, true_mask: Mask, result: ResultReport, *, said: bool) -> Outlined:
    grid = result.scan.grid
    if grid is None or said_mask.shape != grid.shape:
        raise ReadError("Comparing masks: found outlines on other pixels than those of the scan.", NOT_COMPARED)
    if not result.scan.lengths_told:
        grid = Grid.of(grid.shape, np.eye(4), "pixel")
    unit, size = _unit(grid)
    return Outlined(
        overlap=overlap(said_mask, true_mask, grid),
        said=said,
        size=float(said_mask.sum()) * size,
        true_size=float(true_mask.sum()) * size,
        unit=unit,
    )


def _unit(grid: Grid) -> tuple[SizeUnit, float]:
    """What sizes are told in, and how much of it a voxel is."""
    if grid.voxel_volume_mm3 is not None:
        return "ml", grid.voxel_volume_mm3 / 1000
    return ("pixels", 1.0) if grid.pixel_area_mm2 is None else ("mm2", grid.pixel_area_mm2)
