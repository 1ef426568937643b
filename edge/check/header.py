"""Checks of what the files say of themselves. A scan that does not say what it is does not match."""

from __future__ import annotations

from edge.findings import Notice
from edge.pack.manifest import Accepts
from edge.reasons import (
    DERIVED_PICTURE,
    UNKNOWN_AGE,
    UNKNOWN_BODY_PART,
    UNKNOWN_MODALITY,
    UNKNOWN_VIEW,
    WRONG_AGE,
    WRONG_BODY_PART,
    WRONG_COLOUR,
    WRONG_MODALITY,
    WRONG_VIEW,
    Reason,
)
from edge.scan import Acquisition


def modality(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0008,0060) Modality."""
    return _one_of(acquisition.modality, accepts.modality, UNKNOWN_MODALITY, WRONG_MODALITY)


def body_part(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0018,0015) Body Part Examined."""
    return _one_of(acquisition.body_part, accepts.body_part, UNKNOWN_BODY_PART, WRONG_BODY_PART)


def view(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Compare (0018,5101) View Position."""
    return _one_of(acquisition.view, accepts.view, UNKNOWN_VIEW, WRONG_VIEW)


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


def derived(acquisition: Acquisition, accepts: Accepts) -> Notice | None:
    """Refuse a secondary capture: (0008,0008) Image Type says so, or the modality is OT or SC.

    A pack that asks for OT or SC gets it. Other derived pictures, such as processed radiographs, are what clinics
    have, and pass. (PS3.3 C.7.6.1.1.2)
    """
    captured = acquisition.modality in ("OT", "SC")
    if (captured and acquisition.modality in accepts.modality) or not (
        captured or "SECONDARY CAPTURE" in acquisition.image_type
    ):
        return None
    return Notice(reason=DERIVED_PICTURE, severity="refuse", detail="Found a secondary capture, expected an original.")


def _one_of(found: str | None, expected: tuple[str, ...], unknown: Reason, wrong: Reason) -> Notice | None:
    if not expected or found in expected:
        return None
    wanted = f"expected {' or '.join(expected)}"
    if found is None:
        return Notice(reason=unknown, severity="refuse", detail=f"Found nothing, {wanted}.")
    return Notice(reason=wrong, severity="refuse", detail=f"Found {found!r}, {wanted}.")
