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
ScanCheck = Callable[[Scan, Accepts], Notice | tuple[Notice, ...] | None]

HEADER_CHECKS: Mapping[str, Entry] = {
    "modality": Entry("edge.check.header:modality"),
    "body-part": Entry("edge.check.header:body_part"),
    "view": Entry("edge.check.header:view"),
    "laterality": Entry("edge.check.header:laterality"),
    "age": Entry("edge.check.header:age"),
    "technique": Entry("edge.check.header:technique"),
    "colour": Entry("edge.check.header:colour"),
    "compression": Entry("edge.check.header:compression"),
    "burned-in": Entry("edge.check.header:burned_in"),
    "derived": Entry("edge.check.header:derived"),
}

SCAN_CHECKS: Mapping[str, Entry] = {
    "stack": Entry("edge.check.voxels:stack"),
    "size": Entry("edge.check.voxels:size"),
    "spacing": Entry("edge.check.voxels:spacing"),
    "bits": Entry("edge.check.voxels:bits"),
    "blank": Entry("edge.check.voxels:blank"),
    "film": Entry("edge.check.film:as_film"),
    "position": Entry("edge.check.look:position"),
    "lengths": Entry("edge.check.voxels:lengths"),
}

UNIT = "unit"
SPACING = "spacing"
NUMBERS = {
    "age-years": 150.0,
    "kvp": 1000.0,
    "slice-thickness-mm": 1000.0,
    "field-strength-tesla": 100.0,
}
"""What is confirmed as a number, from 0 to this."""
ANSWERS = ("contrast", "lossy", "burned-in")
"""What is confirmed by yes or no."""
YES_OR_NO = {"YES": True, "NO": False}
CONFIRMABLE = (
    "modality", "body-part", "view", "age-years", UNIT, SPACING, "laterality", "presentation", *list(NUMBERS)[1:],
    *ANSWERS,
)  # fmt: skip
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
    said = check_header(scan.acquisition, accepts)
    for check in checks:
        found = check(scan, accepts)
        said += found if isinstance(found, tuple) else () if found is None else (found,)
    return said


def confirm(acquisition: Acquisition, confirmed: Mapping[str, str]) -> Acquisition:
    """Return the acquisition with what a person vouches for, where the files do not tell.

    Parameters
    ----------
    confirmed : mapping
        By name, of `CONFIRMABLE`. What the files say themselves is never overruled.

    Raises
    ------
    UsageError
        A name, a word or a number makes no sense.
    """
    values: dict[str, str | float | bool] = {}
    for name, text in confirmed.items():
        if name not in CONFIRMABLE:
            raise UsageError(f"Confirming {name!r}: expected one of {', '.join(CONFIRMABLE)}.")
        if name in OF_VOXELS:
            _unit(name, text)
        else:
            values[name.replace("-", "_")] = _value(name, text)
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
        A name, a word, a number or a unit makes no sense.
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


def _value(name: str, text: str) -> str | float | bool:
    """What is confirmed, as `edge.scan.Acquisition` holds it."""
    if name in NUMBERS:
        return _number(name, text)
    word = text.strip().upper()
    if name in ANSWERS:
        if word not in YES_OR_NO:
            raise UsageError(f"Confirming {name}={text!r}: expected yes or no.")
        return YES_OR_NO[word]
    if not word:
        raise UsageError(f"Confirming {name}: found nothing, expected a word of the DICOM standard.")
    return word


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= NUMBERS[name]:
        raise UsageError(f"Confirming {name}={text!r}: expected a number from 0 to {NUMBERS[name]:g}.")
    return value
