"""What was outlined, as segments: which there are, what each is called, and its pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentDescription
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from edge.findings import Detection, Detections, Region, Segmentation
from edge.geometry import Grid
from edge.objects.contract import Seen
from edge.objects.identity import LONG_STRING
from edge.objects.subject import Subject
from edge.objects.unfit import UnfitError

CHUNK_BYTES = 256 << 20
"""Of masks that may overlap, as many at a time as take this much; each lot is an object of its own."""

NOTHING = "nothing was outlined"
ABNORMAL = codes.cid7150.MorphologicallyAbnormalStructure
ANATOMICAL = codes.cid7150.AnatomicalStructure
TISSUE = codes.cid7150.Tissue


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlined:
    """Segments of one object.

    Parameters
    ----------
    items : tuple of Region or Detection
        One for each segment, in the order of their numbers, from 1.
    pixels : ndarray of unsigned integers
        Shape (z, y, x), holding the segment's number, or (z, y, x, segment), 1 where it is.
    """

    items: tuple[Region | Detection, ...]
    pixels: NDArray[Any]


def outlined(findings: Segmentation | Detections) -> Iterator[Outlined]:
    """Yield the segments that have any pixel, in as many lots as objects are needed.

    Raises
    ------
    edge.objects.unfit.UnfitError
        Nothing is outlined: an object without a segment does not exist.
    """
    grid, there = grid_outlined(findings), _there(findings)
    if grid is None or not there:
        raise UnfitError(NOTHING)
    items = findings.regions if isinstance(findings, Segmentation) else findings.boxes
    if isinstance(findings, Segmentation) and _is_disjoint(findings):
        yield Outlined(items=tuple(items[index] for index in there), pixels=_numbers(findings, there))
        return
    most = max(1, CHUNK_BYTES // math.prod(grid.shape))
    for first in range(0, len(there), most):
        lot = there[first : first + most]
        stack = np.stack([mask_of(findings, index).astype(np.uint8) for index in lot])
        yield Outlined(items=tuple(items[index] for index in lot), pixels=np.moveaxis(stack, 0, -1))


def grid_outlined(findings: Segmentation | Detections) -> Grid | None:
    """Return the grid of the masks: the source's own pixels; None where no box has a mask."""
    if isinstance(findings, Segmentation):
        return findings.grid
    return next((box.mask.grid for box in findings.boxes if box.mask is not None), None)


def _there(findings: Segmentation | Detections) -> list[int]:
    """The indices of the regions or boxes that have a pixel, slice by slice so that no copy of a volume is made."""
    if isinstance(findings, Detections):
        masks = [box.mask for box in findings.boxes]
        return [index for index, mask in enumerate(masks) if mask is not None and bool(mask.pixels.any())]
    if findings.exclusive:
        size = len(findings.regions) + 1
        counts = sum(np.bincount(plane.reshape(-1), minlength=size) for plane in findings.codes)
        return [int(value) - 1 for value in np.flatnonzero(counts) if value]
    bits = int(np.bitwise_or.reduce(findings.codes, axis=None))
    return [index for index in range(len(findings.regions)) if bits >> index & 1]


def _is_disjoint(findings: Segmentation) -> bool:
    """Whether no voxel has two labels."""
    one = findings.codes.dtype.type(1)
    return findings.exclusive or not any(bool(np.any(plane & (plane - one))) for plane in findings.codes)


def _numbers(findings: Segmentation, there: Sequence[int]) -> NDArray[Any]:
    """The segment's number for each voxel, counted without a gap; the codes themselves where these are that already."""
    kind = np.dtype(np.uint8 if len(there) < 256 else np.uint16)
    if findings.exclusive and findings.codes.dtype == kind and len(there) == len(findings.regions):
        return findings.codes
    numbers = np.zeros(findings.codes.shape, kind)
    for target, plane in zip(numbers, findings.codes, strict=True):
        for number, index in enumerate(there, start=1):
            target[_is_there(plane, index, exclusive=findings.exclusive)] = number
    return numbers


def _is_there(plane: NDArray[Any], index: int, *, exclusive: bool) -> NDArray[np.bool_]:
    one = plane.dtype.type(1)
    return np.asarray(plane == index + 1 if exclusive else (plane >> plane.dtype.type(index)) & one, dtype=np.bool_)


def mask_of(findings: Segmentation | Detections, index: int) -> NDArray[Any]:
    """Return where a region, or a box that has a mask, is: bool (z, y, x) on `grid_outlined`."""
    if isinstance(findings, Segmentation):
        return findings.mask(index)
    mask = findings.boxes[index].mask
    if mask is None:
        raise TypeError("A mask that was asked for is there.")
    return mask.whole()


def descriptions(subject: Subject, items: tuple[Region | Detection, ...]) -> list[SegmentDescription]:
    """Return what each segment is, coded as the pack codes it; where it does not, by the broadest code that is true."""
    algorithm = algorithm_of(subject)
    found = []
    for number, item in enumerate(items, start=1):
        category = ABNORMAL if item.finding else ANATOMICAL
        generic = ABNORMAL if item.finding else TISSUE
        said = SegmentDescription(
            segment_number=number,
            segment_label=_label(item, subject.findings),
            segmented_property_category=category,
            segmented_property_type=generic if item.code is None else _code(item),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        said.SegmentDescription = _words(item)[:1024]
        found.append(said)
    return found


def algorithm_of(subject: Subject) -> AlgorithmIdentificationSequence:
    """Return (0066,002F): the pack, its version and its hash (PS3.3 table 10-19)."""
    pack = subject.result.pack
    if pack is None:
        raise UnfitError("no pack examined the scan")
    return AlgorithmIdentificationSequence(
        name=pack.name[:LONG_STRING],
        family=codes.cid7162.ArtificialIntelligence,
        version=pack.version[:LONG_STRING],
        source="edgerun",
        parameters={"pack_sha256": pack.sha256},
    )


def _label(item: Region | Detection, findings: Seen | None) -> str:
    """The title; of a box with its number in the report, which is not that of its segment where others have no mask."""
    ending = ""
    if isinstance(item, Detection) and isinstance(findings, Detections):
        ending = f" {findings.boxes.index(item) + 1}"
    return item.title[: LONG_STRING - len(ending)] + ending


def _words(item: Region | Detection) -> str:
    score = f" with score {item.score:.2f} (uncalibrated)" if isinstance(item, Detection) else ""
    small = "" if item.positive else " Too small to count: not said to be there."
    return f"Outlined by a model{score}, seen by nobody.{small} Not for diagnosis."


def _code(item: Region | Detection) -> Code:
    if item.code is None:
        raise TypeError("A code that was asked for is there.")
    return Code(item.code.value, item.code.scheme, item.code.meaning[:LONG_STRING])
