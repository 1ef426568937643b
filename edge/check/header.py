"""Checks of what the files say of themselves. A scan that does not say what it is does not match."""

from __future__ import annotations

from edge.findings import Notice
from edge.pack.look import Range
from edge.pack.manifest import Accepts
from edge.reasons import (
    BURNED_IN,
    DERIVED_PICTURE,
    LOSSY,
    UNKNOWN_AGE,
    UNKNOWN_BODY_PART,
    UNKNOWN_LATERALITY,
    UNKNOWN_MODALITY,
    UNKNOWN_TECHNIQUE,
    UNKNOWN_VIEW,
    WRONG_AGE,
    WRONG_BODY_PART,
    WRONG_COLOUR,
    WRONG_LATERALITY,
    WRONG_MODALITY,
    WRONG_TECHNIQUE,
    WRONG_VIEW,
    Reason,
)
from edge.scan import Acquisition

KEPT_WHOLE = ("CR", "CT", "DX", "IO", "MG", "MR", "NM", "PT", "PX", "RF", "RG", "XA")
"""(0008,0060) of machines that lose no detail; photographs, slides and ultrasound come compressed as a rule."""

Value = float | bool | str | None
Asked = Range | bool | str | None
Fault = bool | None
Told = tuple[str, Value, Asked]
"""What is asked, what was found, and what was expected: a range, or the value itself; None where it is not asked."""


def modality(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0008,0060) Modality."""
    return _one_of(acquisition.modality, accepts.modality, UNKNOWN_MODALITY, WRONG_MODALITY)


def body_part(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0018,0015) Body Part Examined."""
    return _one_of(acquisition.body_part, accepts.body_part, UNKNOWN_BODY_PART, WRONG_BODY_PART)


def view(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0018,5101) View Position."""
    return _one_of(acquisition.view, accepts.view, UNKNOWN_VIEW, WRONG_VIEW)


def laterality(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0020,0062) Image Laterality, else (0020,0060) Laterality."""
    return _one_of(acquisition.laterality, accepts.laterality, UNKNOWN_LATERALITY, WRONG_LATERALITY)


def age(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare the patient's age. Files often omit it, so its absence is a warning, which the report shows."""
    if accepts.age_years is None:
        return None
    youngest, oldest = accepts.age_years
    expected = f"expected {youngest:g} to {oldest:g} years"
    if acquisition.age_years is None:
        return Notice(reason=UNKNOWN_AGE, severity="warn", detail=f"Found no age, {expected}.")
    if youngest <= acquisition.age_years <= oldest:
        return None
    side = "younger" if acquisition.age_years < youngest else "older"
    return Notice(reason=WRONG_AGE, severity="refuse", detail=f"Found a patient who is {side}, {expected}.")


def colour(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0028,0004) Photometric Interpretation, as it is after decoding."""
    if acquisition.photometric is None:
        return None
    found = "rgb" if acquisition.photometric == "RGB" else "grey"
    if found == accepts.colour:
        return None
    wanted = "a grey" if accepts.colour == "grey" else "an RGB"
    detail = f"Found {acquisition.photometric}, expected {wanted} picture."
    return Notice(reason=WRONG_COLOUR, severity="refuse", detail=detail)


def technique(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare how the scan was made with `edge.pack.look.Technique`; spacing, the scan's grid tells (`voxels`)."""
    asked = accepts.technique
    if asked is None:
        return None
    rows: tuple[Told, ...] = (
        ("(0018,0060) KVP", acquisition.kvp, asked.kvp),
        ("(0018,0050) Slice Thickness", acquisition.slice_thickness_mm, asked.slice_thickness_mm),
        ("(0018,0087) Magnetic Field Strength", acquisition.field_strength_tesla, asked.field_strength_tesla),
        ("(0018,0010) Contrast/Bolus Agent", acquisition.contrast, asked.contrast),
        ("(0008,0068) Presentation Intent Type", acquisition.presentation, asked.presentation),
    )
    unfit = [row for row in rows if not _within(row[1], row[2])]
    told = [row for row in unfit if row[1] is not None]
    if not unfit:
        return None
    detail = " ".join(_told_words(row) for row in told or unfit)
    return Notice(reason=WRONG_TECHNIQUE if told else UNKNOWN_TECHNIQUE, severity="refuse", detail=detail)


def compression(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Warn of what lost detail by compression after it was made, or refuse it where only lossless pictures fit.

    (0028,2110) Lossy Image Compression, or a lossy transfer syntax; once lossy, always lossy (PS3.3 C.7.6.1.1.5).
    """
    if accepts.compression == "any" or not (accepts.compression or acquisition.modality in KEPT_WHOLE):
        return None
    missing = "Found no (0028,2110) Lossy Image Compression, expected 00. Vouch for it with --confirm lossy=no."
    found = "Found a lossy picture, expected one that never was compressed lossily."
    return _fault(acquisition.lossy, LOSSY, found, missing, must_tell=accepts.compression == "lossless")


def burned_in(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Warn of text in the picture, or refuse it where the pack says so: (0028,0301) Burned In Annotation.

    Most files lack the element; where the pack says nothing, its absence is passed over.
    """
    if accepts.burned_in == "any":
        return None
    missing = "Found no (0028,0301) Burned In Annotation, expected NO. Vouch for it with --confirm burned-in=no."
    found = "Found (0028,0301) Burned In Annotation YES, expected NO."
    return _fault(acquisition.burned_in, BURNED_IN, found, missing, must_tell=accepts.burned_in == "none")


def derived(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Refuse a secondary capture: (0008,0008) or (0008,0016) say so, or the modality is OT or SC.

    A pack that asks for OT or SC gets it. Other derived pictures, such as processed radiographs, are what clinics
    have, and pass. (PS3.3 C.7.6.1.1.2, A.8)
    """
    if acquisition.modality in ("OT", "SC"):
        captured = acquisition.modality not in accepts.modality
    else:
        captured = acquisition.captured or "SECONDARY CAPTURE" in acquisition.image_type
    if not captured:
        return None
    return Notice(reason=DERIVED_PICTURE, severity="refuse", detail="Found a secondary capture, expected an original.")


def _one_of(found: str | None, expected: tuple[str, ...], unknown: Reason, wrong: Reason) -> Notice | None:
    if not expected or found in expected:
        return None
    wanted = f"expected {' or '.join(expected)}"
    if found is None:
        return Notice(reason=unknown, severity="refuse", detail=f"Found nothing, {wanted}.")
    return Notice(reason=wrong, severity="refuse", detail=f"Found {found!r}, {wanted}.")


def _fault(there: Fault, reason: Reason, found: str, missing: str, *, must_tell: bool) -> Notice | None:
    """What is said of a fault that the header may tell: refused where the pack is strict, else warned of."""
    if there is False or (there is None and not must_tell):
        return None
    return Notice(reason=reason, severity="refuse" if must_tell else "warn", detail=found if there else missing)


def _within(found: Value, expected: Asked) -> bool:
    if expected is None:
        return True
    if isinstance(expected, tuple):
        low, high = expected
        return isinstance(found, float) and low <= found <= high
    return found == expected


def _told_words(row: Told) -> str:
    """A sentence of what was found and expected."""
    name, found, expected = row
    wanted = f"{expected[0]:g} to {expected[1]:g}" if isinstance(expected, tuple) else _word(expected)
    return f"{name}: found {'nothing' if found is None else _word(found)}, expected {wanted}."


def _word(value: Value) -> str:
    if isinstance(value, bool):
        return "one" if value else "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
