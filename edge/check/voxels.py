"""Checks of the decoded scan."""

from __future__ import annotations

from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.reasons import BLANK, TOO_SMALL, UNKNOWN_LENGTHS, WRONG_STACK
from edge.scan import Scan


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
