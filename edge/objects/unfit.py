"""What is raised where a view cannot show a result, which is no failure."""

from __future__ import annotations

NO_DICOM = "the scan did not come from DICOM files"
NO_HEADER = "no scan was read to which it could refer; the report says why"


class UnfitError(Exception):
    """A view cannot show this result; the message, without patient data, completes "not written: "."""
