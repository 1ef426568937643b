"""The step that asks for a unit: it changes nothing, and refuses a scan whose values mean something else."""

from __future__ import annotations

from edge.errors import ReadError
from edge.prepare.image import Image
from edge.reasons import NO_SUV, WRONG_UNIT

SUV_BODY_WEIGHT = "SUVbw"


def require_unit(image: Image, *, unit: str) -> Image:
    """Pass on a scan whose values are in `unit`, such as ``HU`` or ``SUVbw``; refuse any other.

    Raises
    ------
    ReadError
        ``C719``: SUVbw is asked for and reading could not compute it; the message says what was missing.
        ``C718``: the values are in another unit, or in none that is known.

    Examples
    --------
    >>> from edge.testing import phantom_scan
    >>> require_unit(Image.of(phantom_scan((1, 2, 2))), unit="stored value").grid.shape
    (1, 2, 2)
    """
    scan = image.scan
    if scan.unit == unit:
        return image
    reason = NO_SUV if unit == SUV_BODY_WEIGHT and scan.acquisition.modality == "PT" else WRONG_UNIT
    noticed = f" Reading noticed: {'; '.join(scan.warnings)}." if scan.warnings else ""
    raise ReadError(f"Preparing a scan: its values are in {scan.unit!r}, expected {unit!r}.{noticed}", reason)
