"""Is this scan fit for this pack? Every check that can refuse a scan or warn of it.

A check takes what is known and what the pack accepts, and says what is wrong; one that is content says nothing.
Checks of the header run before a pixel is decoded, and so also choose the pack; checks of the scan see voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from edge.errors import UsageError
from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.scan import Acquisition, Scan
from edge.table import Entry

HeaderCheck = Callable[[Acquisition, Accepts], Notice | None]
ScanCheck = Callable[[Scan, Accepts], Notice | None]

HEADER_CHECKS: Mapping[str, Entry] = {
    "modality": Entry("edge.check.header:modality"),
    "body-part": Entry("edge.check.header:body_part"),
    "view": Entry("edge.check.header:view"),
    "age": Entry("edge.check.header:age"),
    "colour": Entry("edge.check.header:colour"),
    "derived": Entry("edge.check.header:derived"),
}

SCAN_CHECKS: Mapping[str, Entry] = {
    "stack": Entry("edge.check.voxels:stack"),
    "size": Entry("edge.check.voxels:size"),
    "blank": Entry("edge.check.voxels:blank"),
    "lengths": Entry("edge.check.voxels:lengths"),
}

UNIT = "unit"
SPACING = "spacing"
CONFIRMABLE = ("modality", "body-part", "view", "age-years", UNIT, SPACING)
UNITS = {"HU": "HU", "SUVBW": "SUVbw"}
"""What a person may say that a scan's values are, where its file tells no unit at all."""
UNTOLD = "unknown"
LENGTHS = {"MM": "mm"}
"""What a person may say that a file's lengths are, where it tells no unit of them."""
OF_VOXELS = {UNIT: UNITS, SPACING: LENGTHS}
"""What is known once the scan is decoded."""


def check_header(acquisition: Acquisition, accepts: Accepts) -> tuple[Notice, ...]:
    """Return what the header checks have to say, in the table's order."""
    checks: list[HeaderCheck] = [entry.load() for entry in HEADER_CHECKS.values()]
    return tuple(notice for check in checks if (notice := check(acquisition, accepts)) is not None)


def check_scan(scan: Scan, accepts: Accepts) -> tuple[Notice, ...]:
    """Return what all checks have to say of a decoded scan, those of its header first."""
    checks: list[ScanCheck] = [entry.load() for entry in SCAN_CHECKS.values()]
    said = tuple(notice for check in checks if (notice := check(scan, accepts)) is not None)
    return check_header(scan.acquisition, accepts) + said


def confirm(acquisition: Acquisition, confirmed: Mapping[str, str]) -> Acquisition:
    """Return the acquisition with what a person vouches for, where the files do not tell.

    Parameters
    ----------
    confirmed : mapping
        By name, of `CONFIRMABLE`. What the files say themselves is never overruled.

    Raises
    ------
    UsageError
        A name, a word or an age makes no sense.
    """
    values: dict[str, str | float] = {}
    for name, text in confirmed.items():
        if name not in CONFIRMABLE:
            raise UsageError(f"Confirming {name!r}: expected one of {', '.join(CONFIRMABLE)}.")
        if name in OF_VOXELS:
            _unit(name, text)
        else:
            values[name.replace("-", "_")] = _age(text) if name == "age-years" else _word(name, text)
    used = {name.replace("-", "_") for name in relied_on(acquisition, confirmed)}
    return replace(acquisition, **{name: value for name, value in values.items() if name in used})  # type: ignore[arg-type]


def relied_on(acquisition: Acquisition, confirmed: Mapping[str, str]) -> dict[str, str]:
    """Return what is taken from a person's word: what the files tell themselves is not."""
    return {
        name: text
        for name, text in confirmed.items()
        if name not in OF_VOXELS and getattr(acquisition, name.replace("-", "_")) is None
    }


def confirm_scan(scan: Scan, confirmed: Mapping[str, str]) -> tuple[Scan, dict[str, str]]:
    """Return a scan with what a person vouches for, as `confirm`, and what of that is taken from his word.

    Raises
    ------
    UsageError
        A name, a word, an age or a unit makes no sense.
    """
    vouched = relied_on(scan.acquisition, confirmed)
    known = replace(scan, acquisition=confirm(scan.acquisition, confirmed))
    if UNIT in confirmed and scan.unit == UNTOLD:
        vouched[UNIT] = _unit(UNIT, confirmed[UNIT])
        known = replace(known, unit=vouched[UNIT])
    if SPACING in confirmed and not scan.lengths_told:
        vouched[SPACING] = _unit(SPACING, confirmed[SPACING])
        known = replace(known, lengths_told=True)
    return known, vouched


def _unit(name: str, text: str) -> str:
    """The unit of values or of lengths as edgerun writes it."""
    units = OF_VOXELS[name]
    unit = units.get(text.strip().upper())
    if unit is None:
        raise UsageError(f"Confirming {name}={text!r}: expected one of {', '.join(units.values())}.")
    return unit


def _word(name: str, text: str) -> str:
    if not text.strip():
        raise UsageError(f"Confirming {name}: found nothing, expected a word of the DICOM standard.")
    return text.strip().upper()


def _age(text: str) -> float:
    try:
        years = float(text)
    except ValueError:
        years = -1.0
    if not 0.0 <= years <= 150.0:
        raise UsageError(f"Confirming age-years={text!r}: expected a number from 0 to 150.")
    return years
