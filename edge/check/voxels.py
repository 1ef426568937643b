"""Checks of the decoded scan."""

from __future__ import annotations

from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.reasons import (
    BLANK,
    TOO_FEW_BITS,
    TOO_SMALL,
    UNKNOWN_LENGTHS,
    UNKNOWN_SPACING,
    WRONG_STACK,
    WRONG_TECHNIQUE,
)
from edge.scan import Scan

ROUNDED = 1e-3
"""Share by which a distance may differ from what is asked: written decimals differ by less."""


def stack(scan: Scan, accepts: Accepts) -> Notice | None:
    """Compare whether it is a picture, a volume or a run of frames."""
    if scan.stack == accepts.stack:
        return None
    detail = f"Found a {scan.stack} of {scan.grid.shape[0]}, expected a {accepts.stack}."
    return Notice(reason=WRONG_STACK, severity="refuse", detail=detail)


def size(scan: Scan, accepts: Accepts) -> Notice | None:
    """Refuse a picture with fewer rows or columns than the model was made for."""
    rows, columns = (scan.slide or scan).grid.shape[1:]
    if min(rows, columns) >= accepts.least_size:
        return None
    detail = f"Found {columns} x {rows}, expected at least {accepts.least_size} x {accepts.least_size}."
    return Notice(reason=TOO_SMALL, severity="refuse", detail=detail)


def spacing(scan: Scan, accepts: Accepts) -> Notice | None:
    """Compare how far neighbouring points lie apart, along every axis of space that has several."""
    asked = accepts.technique.spacing_mm if accepts.technique is not None else None
    if asked is None:
        return None
    grid = (scan.slide or scan).grid
    low, high = asked
    expected = f"expected {low:g} to {high:g} mm"
    if grid.space == "pixel" or not scan.lengths_told:
        return Notice(reason=UNKNOWN_SPACING, severity="refuse", detail=f"Found none, {expected}.")
    first = 0 if scan.stack == "volume" else 1  # from one frame to the next there is no distance
    steps = [step for step, count in list(zip(grid.steps, grid.shape, strict=True))[first:] if count > 1]
    outside = [step for step in steps if not low * (1 - ROUNDED) <= step <= high * (1 + ROUNDED)]
    if not outside:
        return None
    detail = f"Points lie {' x '.join(f'{step:.4g}' for step in steps)} mm apart, {expected}."
    return Notice(reason=WRONG_TECHNIQUE, severity="refuse", detail=detail)


def bits(scan: Scan, accepts: Accepts) -> Notice | None:
    """Compare (0028,0101) Bits Stored; of other formats, how many bits their values take."""
    found = scan.acquisition.bits_stored or 8 * scan.voxels.dtype.itemsize
    if found >= accepts.least_bits:
        return None
    detail = f"Found {found} bits, expected at least {accepts.least_bits}."
    return Notice(reason=TOO_FEW_BITS, severity="refuse", detail=detail)


def blank(scan: Scan, accepts: Accepts) -> Notice | None:  # noqa: ARG001 - every check is given both
    """Refuse a scan without any contrast, be it of one colour."""
    least, greatest = scan.voxels.min(axis=(0, 1, 2)), scan.voxels.max(axis=(0, 1, 2))
    if (least != greatest).any():
        return None
    return Notice(reason=BLANK, severity="refuse", detail=f"Every value is {least}.")


def lengths(scan: Scan, accepts: Accepts) -> Notice | None:  # noqa: ARG001 - every check is given both
    """Warn of a scan whose lengths are in no known unit: the finding stands, what would be measured does not."""
    if scan.lengths_told:
        return None
    detail = "Found no unit of lengths (xyzt_units 0); millimetres were taken to prepare the scan."
    return Notice(reason=UNKNOWN_LENGTHS, severity="warn", detail=detail)
